import { statfs } from 'node:fs/promises';
import { EngineError } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';

/** Kept free for what the servers go on writing; of a small disk an eighth. */
const RESERVE_BYTES = 512 * 1024 * 1024;

/** What a copy needs on the disk, and what there is; all in bytes. */
export interface Room {
  needed: number;
  reserved: number;
  free: number;
}

/** Measures it for a copy of so many bytes: one that shares its blocks takes none of them at first. */
export async function roomForCopy({ context }: ClusterState, bytes: number): Promise<Room> {
  const { bavail, blocks, bsize } = await statfs(context.home.paths.clusters);
  const reserved = Math.min(RESERVE_BYTES, (blocks * bsize) / 8);
  return { needed: reserved + (context.dataAtRest.copyOnWrite ? 0 : bytes), reserved, free: bavail * bsize };
}

/** The refusal of a copy of that cluster. */
export function noRoom(clusterId: string, { needed, reserved, free }: Room): EngineError {
  const [all, kept, there] = [needed, reserved, free].map((bytes) => Math.ceil(bytes / 1_000_000));
  return new EngineError(
    'no_room',
    `A copy of "${clusterId}" needs ${all} MB on the disk, ${kept} MB of which stay free, and there are ${there} MB.`,
  );
}

/** Throws `no_room`, with what is needed and what there is, unless a copy of so many bytes has room. */
export async function requireRoom(source: ClusterState, bytes: number): Promise<void> {
  const room = await roomForCopy(source, bytes);
  if (room.free < room.needed) throw noRoom(source.journal.record.id, room);
}
