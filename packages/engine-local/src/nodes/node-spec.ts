import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { reload, type ServerSpec, writeConfiguration, writePasswordFile } from '@borealis/postgres';
import { nodeSpec, serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { type ClusterPaths, ofNode } from '../home/paths.js';
import { nodeName, REPLICATION_ROLE, roleOf } from './roles.js';

/** Where a node of the cluster lives. */
export function pathsOf({ journal }: ClusterState, node: number): ClusterPaths {
  return ofNode(journal.paths, node);
}

/**
 * How a standby of the cluster's present primary is run. While the primary may still have another size, or be given it, a standby has the
 * largest of them: with less than its primary it could not go on.
 */
export function standbySpec(state: ClusterState, node: number): ServerSpec & Required<Pick<ServerSpec, 'follows'>> {
  const { change, spec } = state.journal.record;
  const paths = pathsOf(state, node);
  const primary = serverSpec(state);
  return {
    ...nodeSpec(state, paths, change?.stage === 'primary' ? (change.largest ?? spec) : spec),
    follows: {
      socketDirectory: primary.socketDirectory,
      port: primary.port,
      role: REPLICATION_ROLE,
      passwordFile: join(paths.postgres, 'standby.pass'),
      name: nodeName(node),
    },
  };
}

/** The password of the role that feeds standbys; only who knows the superuser's can tell it. */
export function replicationPassword({ journal: { record } }: ClusterState): string {
  return createHmac('sha256', record.superuserPassword.reveal()).update(REPLICATION_ROLE).digest('hex');
}

/**
 * Writes the files of the primary as the record is at this moment; true when one of them changed. One after the other, so that no older version
 * comes last.
 */
export function configurePrimary(state: ClusterState): Promise<boolean> {
  return state.configuring.run(() => writeConfiguration(serverSpec(state)));
}

/** The same for a standby; a node that is none any more is left alone. */
export function configureStandby(state: ClusterState, node: number): Promise<boolean> {
  return state.configuring.run(async () => {
    if (roleOf(state.journal.record, node) === null) return false;
    const spec = standbySpec(state, node);
    await writePasswordFile(spec.follows, replicationPassword(state), spec.os);
    return writeConfiguration(spec);
  });
}

/** Makes the running primary wait for the standbys that the record names, and for no others. */
export async function applyRequirement(state: ClusterState): Promise<void> {
  // Also where the files say so already: a keeper that died may not have come to the rest.
  await configurePrimary(state);
  await reload(serverSpec(state));
}
