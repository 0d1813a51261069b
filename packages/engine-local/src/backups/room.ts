import { statfs } from 'node:fs/promises';
import { EngineError } from '@borealis/engine';

export interface BackupBounds {
  /** What stays free on the disk whatever is made or proved, in bytes; null: a share of the disk. */
  reserveBytes: number | null;
  /** How long making or proving one backup may take, in seconds. */
  longest: number;
}

const GIB = 1024 ** 3;
export const BACKUP_BOUNDS: BackupBounds = { reserveBytes: null, longest: 6 * 3600 };

const LOOK_MS = 500;

/** More than what is too little for the databases themselves, so that a backup ends before any of them has to suffer. */
function reserveOf(totalBytes: number, { reserveBytes }: BackupBounds): number {
  return reserveBytes ?? 1.5 * Math.min(Math.max(0.05 * totalBytes, GIB), 10 * GIB);
}

/**
 * Runs `work` where there is room for so many bytes more, and ends it by its signal as soon as the disk comes near its end or the time is
 * over. Throws `no_room` in the first case, also before anything was begun.
 */
export async function withRoom<T>(
  directory: string,
  bytes: number,
  bounds: BackupBounds,
  ending: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const isShort = async (needed: number) => {
    const { bavail, blocks, bsize } = await statfs(directory);
    return bavail * bsize < reserveOf(blocks * bsize, bounds) + needed;
  };
  if (await isShort(bytes)) throw noRoom();
  const guard = new AbortController();
  const time = setTimeout(() => guard.abort(tooLong(bounds)), bounds.longest * 1000);
  const looks = setInterval(() => {
    // What cannot be looked at now is looked at again.
    isShort(0).then(
      (short) => short && guard.abort(noRoom()),
      () => undefined,
    );
  }, LOOK_MS);
  try {
    return await work(AbortSignal.any([ending, guard.signal]));
  } catch (error) {
    throw guard.signal.aborted ? guard.signal.reason : error;
  } finally {
    clearTimeout(time);
    clearInterval(looks);
  }
}

const noRoom = () => new EngineError('no_room', 'There is not enough room on the disk for the backup.');
const tooLong = ({ longest }: BackupBounds) =>
  new EngineError('internal', `The backup was not ready after ${longest} seconds, and was given up.`);
