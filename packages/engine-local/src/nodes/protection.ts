import { setTimeout as sleep } from 'node:timers/promises';
import { connect, protectedFrom, readReplication, synchronousNames } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { announceNodes } from './announce.js';
import { applyRequirement } from './node-spec.js';
import { nodeName, nodesWith, roleOf, withRole } from './roles.js';

const LOOK_MS = 50;

/**
 * Goes on without a standby, so that commits do not wait for it for good. The record says first that it may not be promoted: from the moment when
 * commits do not wait, it may lack some. Repeated, it does what an earlier call did not come to.
 */
export async function goOnWithout(state: ClusterState, node: number, why: string): Promise<void> {
  const wasProtected = nodesWith(state.journal.record, 'eligible').length > 0;
  await state.journal.update((record) => {
    const role = roleOf(record, node);
    return role === 'required' || role === 'eligible' ? withRole(record, node, 'following') : {};
  });
  await applyRequirement(state);
  if (wasProtected && nodesWith(state.journal.record, 'eligible').length === 0)
    await announceNodes(state, 'protection-lost', `${why} Commits are on one node until a standby has caught up.`);
}

/**
 * Makes a standby that follows closely one that may be promoted: first every commit waits for it, then all that was acknowledged before is on its
 * disk, then the record says so. Gives up without an error when it, or the primary, is not there any more; `signal` ends it early.
 */
export async function makeEligible(state: ClusterState, node: number, signal: AbortSignal): Promise<void> {
  const { journal } = state;
  const { generation } = journal.record;
  const isOurs = () => journal.record.generation === generation && !signal.aborted;
  await journal.update((record) =>
    record.generation === generation && roleOf(record, node) === 'following' ? withRole(record, node, 'required') : {},
  );
  await applyRequirement(state);
  const client = await connect(serverSpec(state));
  try {
    const from = await protectedFrom(client);
    while (!(await hasFlushed(client, node, from))) {
      if (!isOurs() || roleOf(journal.record, node) !== 'required') return;
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
    if (!(await synchronousNames(client)).includes(nodeName(node))) return;
  } finally {
    await client.end().catch(() => undefined);
  }
  const wasProtected = nodesWith(journal.record, 'eligible').length > 0;
  await journal.update((record) =>
    record.generation === generation && roleOf(record, node) === 'required' ? withRole(record, node, 'eligible') : {},
  );
  if (!wasProtected && roleOf(journal.record, node) === 'eligible')
    await announceNodes(state, 'protection-restored', 'Every commit is on two nodes before it is acknowledged.');
}

async function hasFlushed(client: Awaited<ReturnType<typeof connect>>, node: number, from: number): Promise<boolean> {
  const { standbys } = await readReplication(client);
  const found = standbys.find(({ name }) => name === nodeName(node));
  return found?.isStreaming === true && found.flushed >= from;
}
