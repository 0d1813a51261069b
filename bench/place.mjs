import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPool, findPool, usePool } from '@borealis/engine-local';
import { removeOsUsers } from './home.mjs';

const ADMINISTRATORS = ['/usr/sbin', '/sbin'];
const NEEDED = {
  pool: ['mkfs.xfs', 'losetup'],
  'encrypted pool': ['mkfs.xfs', 'losetup', 'qemu-img', 'qemu-storage-daemon'],
};

/** Which of these kinds of places this machine can have, and a sentence for each that it cannot. */
export function possiblePlaces(kinds) {
  const reasons = kinds.map((kind) => [kind, whyNot(kind)]);
  return {
    kinds: reasons.filter(([, reason]) => reason === null).map(([kind]) => kind),
    skipped: reasons
      .filter(([, reason]) => reason)
      .map(([kind, reason]) => `Not measured on a place of the kind "${kind}": ${reason}.`),
  };
}

function whyNot(kind) {
  if (kind === 'plain') return null;
  if (process.platform !== 'linux' || process.getuid() !== 0) return 'it needs root on Linux';
  const directories = [...(process.env.PATH ?? '').split(':'), ...ADMINISTRATORS];
  const missing = NEEDED[kind].filter(
    (program) => !directories.some((directory) => existsSync(join(directory, program))),
  );
  if (kind === 'encrypted pool' && !existsSync('/dev/fuse')) missing.push('/dev/fuse');
  return missing.length > 0 ? `${missing.join(', ')} is missing here` : null;
}

/**
 * Makes a directory where databases live: `plain`, in the system's temporary directory, or on a `pool` of so many GiB, encrypted as pools are by
 * default or not. `remove` takes all of it away, and `cleanup` does so in any case. Throws one sentence where there cannot be a pool.
 */
export async function makePlace({ kind, gigabytes = 0, cleanup }) {
  const directory = await mkdtemp(join(tmpdir(), 'bq-'));
  await chmod(directory, 0o755); // the databases' own users pass through
  const home = join(directory, 'h');
  const undo = [() => rm(directory, { recursive: true, force: true, maxRetries: 5 })];
  let removing;
  const remove = () => {
    removing ??= undoAll(undo);
    return removing;
  };
  cleanup.add(`The directory ${directory}`, remove);
  if (kind === 'plain') await mkdir(home, { mode: 0o711 });
  else await mountNewPool(home, gigabytes, kind === 'encrypted pool', undo);
  undo.push(() => removeOsUsers(home));
  return { kind, home, remove };
}

async function undoAll(steps) {
  for (const step of steps.reverse()) await step();
}

async function mountNewPool(home, gigabytes, encrypted, undo) {
  await createPool({ home, sizeBytes: gigabytes * 2 ** 30, key: encrypted ? undefined : null });
  const pool = await usePool(await findPool(home));
  undo.push(() => pool.release());
}
