import { z } from 'zod';
import { type Base, baseNote } from '../copies/bases.js';
import type { ClusterBackup } from './cluster-backup.js';
import { StoreError } from './object-store.js';
import { PackedTree } from './packed-tree.js';

/** A part that was put stays after a kill: so much is done again at most. */
export const PART_BYTES = 64 * 1024 * 1024;
const BASES = 'bases/';
const NOTE = 'base';

const storedNote = baseNote.extend({ parts: z.number().int().min(1), packedBytes: z.number() });

/** A base that is complete in a store. */
export interface StoredBase extends z.infer<typeof storedNote> {
  name: string;
}

/** The complete bases of a backup, oldest first, and the names of others: half put, or half removed. */
export async function listStoredBases(backup: ClusterBackup): Promise<{ bases: StoredBase[]; unfinished: string[] }> {
  const objects = await backup.names(BASES);
  const names = [...new Set(objects.map((object) => object.split('/')[1]!))];
  const isComplete = (name: string) => objects.includes(`${BASES}${name}/${NOTE}`);
  const bases = await Promise.all(names.filter(isComplete).map((name) => readStoredBase(backup, name)));
  return {
    bases: bases.sort((a, b) => (a.stoppedAt < b.stoppedAt ? -1 : 1)),
    unfinished: names.filter((name) => !isComplete(name)),
  };
}

async function readStoredBase(backup: ClusterBackup, name: string): Promise<StoredBase> {
  return { ...storedNote.parse(JSON.parse(await backup.text(`${BASES}${name}/${NOTE}`))), name };
}

/** How a base is called in a store. */
export function nameOf({ stoppedAt }: Base): string {
  return stoppedAt.replaceAll(':', '');
}

/** Puts a base, part by part; parts that are there from an earlier try are adopted. It counts once all of them are there. */
export async function putBase(backup: ClusterBackup, base: Base, signal: AbortSignal): Promise<void> {
  const name = nameOf(base);
  const tree = await PackedTree.of(base.data);
  const parts = Math.max(1, Math.ceil(tree.bytes / PART_BYTES));
  // What a killed put left: it counts for nothing, and takes room all the same.
  await backup.removeUnfinished(`${BASES}${name}/`);
  const there = new Set(await backup.names(`${BASES}${name}/`));
  for (let part = 0; part < parts; part++) {
    const object = partName(name, part);
    const content = () => tree.read(part * PART_BYTES, Math.min((part + 1) * PART_BYTES, tree.bytes));
    if (!there.has(object)) await backup.put(object, unlessAborted(content(), signal));
  }
  const { directory: _, data: __, ...rest } = base;
  const note = { ...rest, parts, packedBytes: tree.bytes };
  await backup.put(`${BASES}${name}/${NOTE}`, text(JSON.stringify(note)));
}

/** Removes a base; killed in between it is an unfinished one. */
export async function removeStoredBase(backup: ClusterBackup, name: string): Promise<void> {
  await backup.remove(`${BASES}${name}/${NOTE}`);
  await backup.removeUnfinished(`${BASES}${name}/`);
  for (const object of await backup.names(`${BASES}${name}/`)) await backup.remove(object);
}

/** The packed data of a base; throws a `SealedFileError` or a `StoreError` at a part that is not what was put. */
export async function* readBase(backup: ClusterBackup, base: StoredBase): AsyncGenerator<Buffer> {
  let bytes = 0;
  for (let part = 0; part < base.parts; part++)
    for await (const piece of backup.get(partName(base.name, part))) {
      bytes += piece.length;
      yield piece;
    }
  if (bytes !== base.packedBytes)
    throw new StoreError('damaged', `The base ${base.name} of "${backup.id}" is not as long as it was.`);
}

const partName = (name: string, part: number) => `${BASES}${name}/${String(part).padStart(6, '0')}`;

/** So that a put ends when the keeper does. */
export async function* unlessAborted(content: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const piece of content) {
    signal.throwIfAborted();
    yield piece;
  }
  signal.throwIfAborted();
}

async function* text(content: string): AsyncGenerator<Buffer> {
  yield Buffer.from(content);
}
