import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyServer, type ServerCopyOptions, type ServerSpec } from '@borealis/postgres';
import { z } from 'zod';
import { ensureDirectory, isSystemError, readIfPresent, syncDirectory, writeFileAtomic } from '../system/files.js';

/** What is kept with a base. */
export const baseNote = z.object({
  format: z.literal(1),
  method: z.enum(['reflink', 'plain']),
  bytes: z.number(),
  firstSegment: z.string().regex(/^[0-9A-F]{24}$/),
  stopLsn: z.string(),
  stoppedAt: z.iso.datetime(),
});

/** A complete copy of a cluster's data: with the log since, every later moment can be restored from it. */
export interface Base extends z.infer<typeof baseNote> {
  directory: string;
  data: string;
}

const NOTE = 'base.json';

/** All complete bases, oldest first. What lies in the directory is all there is: nothing is kept in memory. */
export async function listBases(directory: string): Promise<Base[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  const found = await Promise.all(names.filter(isComplete).map((name) => readBase(join(directory, name))));
  return found.filter((base) => base !== null).sort((a, b) => (a.stoppedAt < b.stoppedAt ? -1 : 1));
}

/** Half-made and half-removed ones have a dot in front. */
const isComplete = (name: string) => !name.startsWith('.');

async function readBase(directory: string): Promise<Base | null> {
  const text = await readIfPresent(join(directory, NOTE));
  return text === null ? null : { ...baseNote.parse(JSON.parse(text)), directory, data: join(directory, 'data') };
}

/** Copies the running server into a new base, which is there as a whole or not at all. */
export async function makeBase(
  directory: string,
  source: ServerSpec,
  how: Omit<ServerCopyOptions, 'to'>,
): Promise<Base> {
  await ensureDirectory(directory, 0o700);
  const next = join(directory, `.new-${randomBytes(4).toString('hex')}`);
  try {
    await mkdir(next, { mode: 0o700 });
    const copy = await copyServer(source, join(next, 'data'), { ...how, to: null });
    await writeFileAtomic(join(next, NOTE), `${JSON.stringify({ format: 1, ...copy }, null, 1)}\n`, 0o600);
    const place = join(directory, copy.stoppedAt.replaceAll(':', ''));
    await rename(next, place);
    await syncDirectory(directory);
    return { format: 1, ...copy, directory: place, data: join(place, 'data') };
  } catch (error) {
    await rm(next, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}

/** Removes a base; killed in between it is none any more. */
export async function removeBase(directory: string, base: Base): Promise<void> {
  const gone = join(directory, `.old-${randomBytes(4).toString('hex')}`);
  await rename(base.directory, gone);
  await rm(gone, { recursive: true, force: true, maxRetries: 5 });
}

/** Removes what a killed process left. Only to be called while no base is being made. */
export async function removeHalfMadeBases(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((entry) => !isComplete(entry)))
    await rm(join(directory, name), { recursive: true, force: true, maxRetries: 5 });
}
