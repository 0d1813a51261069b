import type { PostgresBuild } from '@borealis/contract';
import { type ClusterOrigin, type ClusterSpec, EngineError, type Rename } from '@borealis/engine';
import { copiedBytes, isTenantDatabase, isTenantRole } from '@borealis/postgres';
import { isShared } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { CONTROL_ID } from '../control-database.js';
import { eraAt } from './eras.js';
import { checkMoment, nearestBase } from './restore-window.js';
import { requireRoom } from './room.js';

/**
 * The build of `source` (undefined: there is none of that id), which its copy gets. Throws where a cluster of that specification cannot be
 * a copy of it: `not_found`, `unsupported` with the reason, or `no_room`.
 */
export async function checkOrigin(
  spec: ClusterSpec,
  origin: ClusterOrigin,
  source: ClusterState | undefined,
): Promise<PostgresBuild> {
  const { clusterId, moment, renames } = origin;
  const record = source?.journal.record;
  if (!source || record?.wanted !== 'present' || clusterId === CONTROL_ID)
    throw new EngineError('not_found', `There is no cluster "${clusterId}" to copy.`);
  if (spec.tenancy !== 'isolated' || isShared(source)) throw refusal('a cluster that tenants share is never copied');
  if (moment !== null) await checkMoment(source, moment);
  const major = moment === null ? record.spec.major : eraAt(source, moment).major;
  if (spec.major !== major)
    throw refusal(`"${clusterId}" is of PostgreSQL ${major}${then(moment)}, and a copy is of the same major`);
  checkRenames('database', renames.databases, isTenantDatabase);
  checkRenames('role', renames.roles, isTenantRole);
  await requireRoom(source, await bytesOf(source, moment));
  return record.build;
}

const then = (moment: string | null) => (moment === null ? '' : ' at that time');

/** What a copy of that source takes; null: of its present. */
async function bytesOf(source: ClusterState, moment: string | null): Promise<number> {
  if (moment === null) return copiedBytes(source.journal.paths.data);
  return (await nearestBase(source, moment)).bytes;
}

function checkRenames(what: string, renames: readonly Rename[], isName: (name: string) => boolean): void {
  const ends = [renames.map(({ from }) => from), renames.map(({ to }) => to)];
  const wrong = ends.flat().find((name) => !isName(name));
  if (wrong !== undefined) throw refusal(`"${wrong}" cannot be the name of a ${what}`);
  for (const names of ends) {
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw refusal(`the ${what} "${twice}" is renamed twice`);
  }
}

function refusal(reason: string): EngineError {
  return new EngineError('unsupported', `The copy is refused: ${reason}.`);
}
