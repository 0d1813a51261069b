import { copiedBytes } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';
import { type BasePolicy, superfluous } from './base-policy.js';
import { type Base, listBases, removeBase } from './bases.js';
import { noRoom, roomForCopy } from './room.js';
import { isBeingCopied } from './source.js';

/**
 * Makes sure that the next base has room: removes first what will be superfluous beside it, the oldest first, no more than it has to, and
 * nothing where that would not do. Throws `no_room`.
 */
export async function makeRoomForBase(state: ClusterState, policy: BasePolicy): Promise<void> {
  const { id } = state.journal.record;
  const size = await copiedBytes(state.journal.paths.data);
  const room = await roomForCopy(state, size);
  if (room.free >= room.needed) return;
  const spare = isBeingCopied(state) ? [] : await superfluousBesideNext(state, policy);
  if (room.free + spare.reduce((sum, base) => sum + base.bytes, 0) < room.needed) throw noRoom(id, room);
  for (const base of spare) {
    await removeBase(state.journal.paths.bases, base);
    if ((await roomForCopy(state, size)).free >= room.needed) return;
  }
  throw noRoom(id, await roomForCopy(state, size));
}

/** Only of those that take room of their own. */
async function superfluousBesideNext({ journal }: ClusterState, policy: BasePolicy): Promise<Base[]> {
  const bases = await listBases(journal.paths.bases);
  const newest = bases.at(-1);
  if (!newest) return [];
  const now = Date.now();
  const next = { ...newest, stoppedAt: new Date(now).toISOString() };
  return superfluous([...bases, next], policy, now).filter(({ method }) => method === 'plain');
}
