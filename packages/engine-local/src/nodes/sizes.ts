import { findServer, pendingSettings, type ServerSpec, startsAgain, stopServer } from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { standbySpec } from './node-spec.js';
import { goOnWithout } from './protection.js';
import { nodeName, nodesWith, plannedStandbys } from './roles.js';

const STOP_SECONDS = 60;

/**
 * Ends the server of a standby that a restart is to give another size, at a moment when it starts again; otherwise does nothing. To be
 * asked after its files were loaded, and while there is a primary that it follows.
 */
export async function endOtherSize(state: ClusterState, node: number, spec: ServerSpec): Promise<void> {
  if (runsBySize(state, node)) return;
  if ((await pendingSettings(spec)).length === 0) return noteSize(state, node);
  const server = await findServer(spec);
  if (!server || !(await startsAgain(spec, serverSpec(state)))) return;
  await standAside(state, node);
  await stopServer(server, { mode: 'fast', seconds: STOP_SECONDS });
}

/** A standby was started, and so by its files. */
export function noteSize(state: ClusterState, node: number): void {
  state.sizes.set(node, sizeOf(state, node));
}

/** Before a standby is ended that comes back: where another one has everything, too, commits do not wait for it meanwhile. */
export async function standAside(state: ClusterState, node: number): Promise<void> {
  const others = nodesWith(state.journal.record, 'eligible').filter((other) => other !== node);
  if (others.length > 0) await goOnWithout(state, node, `The standby ${nodeName(node)} is restarted.`);
}

/** True when no standby runs that must be given its new size before the primary. One that does not run is started by it. */
export async function haveRoom(state: ClusterState): Promise<boolean> {
  for (const { node } of state.journal.record.standbys)
    if (!runsBySize(state, node) && (await findServer(standbySpec(state, node)))) return false;
  return true;
}

/** True when all nodes are there that a change has added, and every standby runs by the specification. */
export function followsSpec(state: ClusterState): boolean {
  const { record } = state.journal;
  const { change, spec, standbys } = record;
  const isGrowing = change !== null && spec.nodes > change.from.nodes;
  return (
    plannedStandbys(record) === null &&
    standbys.every(({ node, role }) => runsBySize(state, node) && (role === 'eligible' || !isGrowing))
  );
}

function runsBySize(state: ClusterState, node: number): boolean {
  return state.sizes.get(node) === sizeOf(state, node);
}

function sizeOf(state: ClusterState, node: number): string {
  return JSON.stringify(standbySpec(state, node).settings);
}
