import { type ChildProcess, spawn } from 'node:child_process';

export interface DynoGuard {
  /** Names the dyno's first process: with us, its whole group ends. */
  watch(dyno: ChildProcess): void;
  /** The dyno has ended and its slug is removed: there is nothing left to do. */
  end(): void;
}

/** Reads the group to end, then waits for a second line; the end of the pipe instead means that we are gone. */
const GUARD = `trap '' HUP INT TERM
read -r group
read -r finished && exit
if [ -n "$group" ]; then
  kill -TERM -- "-$group"
  for _ in {1..100}; do kill -0 -- "-$group" || break; sleep 0.1; done
  kill -KILL -- "-$group"
fi
rm -rf -- "$1"`;

/** Starts a process that ends the dyno and removes its slug, keys and all, when this one dies in whatever way before. */
export function guardSlug(slug: string): DynoGuard {
  const guard = spawn('bash', ['-c', GUARD, 'dyno-guard', slug], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.on('error', () => {});
  guard.stdin.on('error', () => {});
  guard.unref();
  return {
    watch: ({ pid }) => void guard.stdin.write(`${pid ?? ''}\n`),
    end: () => void guard.stdin.end('\n\n'),
  };
}
