import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathInCommand } from '@borealis/postgres';
import { ensureDirectory, isSystemError, type Ownership } from '../system/files.js';
import { isSegment, isWalFile, parseSegment, segmentName } from './wal-names.js';
import type { WalSource } from './wal-source.js';

/** So many segments after the one that was asked for last are ready before they are asked for. */
const AHEAD = 4;
const LOOK_MS = 25;
const FULL_DISK_MS = 1000;
const WANTED = '.wanted';
const NONE = '.none';
const HALF_STAGED = '.staging';

/**
 * PostgreSQL's `restore_command` for a recovery from a directory that `stageWal` serves. It asks for a file by name and waits for it, or
 * for the word that there is none: only that word makes it fail, since PostgreSQL takes a failure for the end of the WAL.
 */
export function restoreCommand(dataDirectory: string, directory: string): string {
  const ask = `(: > "$d/%f${WANTED}") 2>/dev/null`;
  const none = `if [ -e "$d/%f${NONE}" ]; then rm -f "$d/%f${NONE}"; exit 1; fi`;
  // Beyond 125: PostgreSQL ends the recovery instead of taking it for complete.
  const wait = `until cp "$d/%f" "%p" 2>/dev/null; do ${none}; ${ask}; sleep 0.05 || exit 200; done`;
  return `d=${pathInCommand(dataDirectory, directory)}; ${wait}; ${ask}; exit 0`;
}

/**
 * Gives a recovery what it asks for, decrypted into the directory a few segments ahead, and removes what it is past: whatever the length of
 * the replay, some hundred megabytes are enough. `from` is the segment that the recovery begins with. It may ask for any file again,
 * also after a crash of either side. Serves until `signal` says that the recovery is over, and leaves the directory, which lies
 * where only this process's user can replace it, to be removed. A full disk is waited for. Throws a `SealedFileError` at a file that
 * is not what was archived: the recovery then waits, and has to be ended.
 */
export async function stageWal(
  archive: WalSource,
  from: string,
  directory: string,
  owner: Ownership | undefined,
  signal: AbortSignal,
): Promise<void> {
  await ensureDirectory(directory, 0o700, owner);
  await removeAnswers(directory);
  const stage = new Stage(archive, directory, owner, from);
  while (!signal.aborted) {
    const pause = await stage.look().catch((error: unknown) => {
      if (isSystemError(error, 'ENOSPC', 'EDQUOT')) return FULL_DISK_MS;
      throw error;
    });
    if (pause > 0) await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

/** What an earlier call said may not be so any more; who waits asks again. */
async function removeAnswers(directory: string): Promise<void> {
  for (const file of await readdir(directory))
    if (file.endsWith(NONE)) await rm(join(directory, file), { force: true });
}

class Stage {
  constructor(
    private readonly archive: WalSource,
    private readonly directory: string,
    private readonly owner: Ownership | undefined,
    private asked: string,
  ) {}

  /** Answers what was asked, or prepares one more segment; gives the milliseconds until the next look. */
  async look(): Promise<number> {
    const there = new Set(await readdir(this.directory));
    const wanted = [...there].filter((file) => file.endsWith(WANTED)).map((file) => file.slice(0, -WANTED.length));
    for (const name of wanted) await this.answer(name, there);
    const ready = this.ready();
    await this.tidy(there, ready, wanted);
    for (const name of ready) {
      if (there.has(name) || !(await this.archive.has(name))) continue;
      await this.put(name);
      return 0;
    }
    return LOOK_MS;
  }

  private async answer(name: string, there: Set<string>): Promise<void> {
    const known = isWalFile(name) && (await this.archive.has(name));
    if (known && isSegment(name)) this.asked = name;
    if (known && !there.has(name)) await this.put(name);
    if (known) there.add(name);
    if (!known) await writeFile(join(this.directory, name + NONE), '', { flag: 'wx', mode: 0o600 }).catch(ifNotThere);
    await rm(join(this.directory, name + WANTED), { force: true });
  }

  /** What should be there: the segment that was asked for last and those after it. */
  private ready(): string[] {
    const { timeline, number } = parseSegment(this.asked);
    return Array.from({ length: AHEAD + 1 }, (_, at) => segmentName({ timeline, number: number + at }));
  }

  private async tidy(there: ReadonlySet<string>, ready: readonly string[], wanted: readonly string[]): Promise<void> {
    const past = (file: string) => isWalFile(file) && !ready.includes(file) && !wanted.includes(file);
    for (const file of there)
      if (past(file) || file.endsWith(HALF_STAGED)) await rm(join(this.directory, file), { force: true });
  }

  /** The file appears under its name when all of it is there and was found to be genuine. */
  private async put(name: string): Promise<void> {
    const temporary = join(this.directory, `${name}.${randomBytes(6).toString('hex')}${HALF_STAGED}`);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await this.write(file, name);
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.directory, name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  private async write(file: FileHandle, name: string): Promise<void> {
    if (this.owner) await file.chown(this.owner.uid, this.owner.gid);
    for await (const part of this.archive.read(name)) await file.writeFile(part);
  }
}

/** The answer to the same question is there already. */
function ifNotThere(error: unknown): void {
  if (!isSystemError(error, 'EEXIST')) throw error;
}
