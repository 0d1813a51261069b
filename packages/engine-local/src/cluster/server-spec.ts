import { userInfo } from 'node:os';
import {
  type ServerSpec,
  settingsFor,
  sharedServerSettings,
  TENANT_BOUNDS,
  type TenantBounds,
  type WantedAccess,
} from '@borealis/postgres';
import { restoreCommand } from '../archive/stage.js';
import { normalMoment } from '../copies/moment.js';
import { pendingOrigin } from '../copies/pending-origin.js';
import { POSTGRES_PORT } from '../gateway/config-file.js';
import type { ClusterPaths } from '../home/paths.js';
import { isReplicated, nodeName, REPLICATION_ROLE, requiredNodes } from '../nodes/roles.js';
import { FINISH_SECONDS, hasStore } from '../store/backup-of.js';
import type { ClusterState } from './state.js';

/** The keeper's own role. It matches no tenant role, so no tunnel leads to it. */
const SUPERUSER = 'borealis';

/** How the primary of this cluster is run. Only to be asked for once the release and the users are known. */
export function serverSpec(state: ClusterState): ServerSpec {
  const { record, paths } = state.journal;
  const pending = pendingOrigin(record);
  return {
    ...nodeSpec(state, paths),
    ...(pending ? { closedFor: userInfo().username } : {}),
    ...(pending?.moment || pending?.fromStore || record.rebuild
      ? {
          recovery: {
            restoreCommand: restoreCommand(paths.data, paths.walStage),
            until: pending?.moment && !state.logEnded ? normalMoment(pending.moment) : null,
          },
        }
      : {}),
    synchronousWith: requiredNodes(record).map(nodeName),
    ...(state.major.isClosed ? { access: { method: 'none' } } : {}),
  };
}

type ServerSize = Parameters<typeof settingsFor>[0];

/** What all nodes of a cluster are run with, each at its own place and `size`. */
export function nodeSpec(
  state: ClusterState,
  paths: ClusterPaths,
  size: ServerSize = state.journal.record.spec,
): ServerSpec {
  if (!state.release) throw new Error('BUG: the release is not known yet');
  const { record } = state.journal;
  return {
    release: state.release,
    dataDirectory: paths.data,
    socketDirectory: paths.socketDirectory,
    port: POSTGRES_PORT,
    superuser: { name: SUPERUSER, password: record.superuserPassword.reveal() },
    os: state.users?.postgres ?? null,
    logFile: paths.postgresLog,
    settings: {
      ...settingsFor(size),
      ...(isShared(state) ? sharedServerSettings(tenantBounds(state)) : {}),
      ...(hasStore(state) ? { archive_timeout: `${FINISH_SECONDS}s` } : {}),
    },
    ...(isReplicated(record) ? { replicationRole: REPLICATION_ROLE } : {}),
    ...(isShared(state) ? { privateMemoryMiB: tenantBounds(state).privateMemoryMiB } : {}),
    ...(record.archiveKey ? { walSpool: paths.walSpool } : {}),
    access: state.users?.gateway
      ? {
          method: 'peer',
          gatewayOsUser: state.users.gateway.name,
          roles: (record.access?.roles ?? []).map(({ name }) => name),
        }
      : { method: 'scram' },
  };
}

/** True when several tenants share the cluster. */
export function isShared({ journal: { record } }: ClusterState): boolean {
  return record.spec.tenancy === 'shared';
}

/** What each tenant of a shared cluster may take. */
export function tenantBounds({ context: { options } }: ClusterState): TenantBounds {
  return { ...TENANT_BOUNDS, ...options.tenantBounds };
}

/** What tenants may have in the cluster's PostgreSQL. */
export function wantedAccess(state: ClusterState): WantedAccess {
  const { access, backendPassword, osUsers } = state.journal.record;
  return {
    databases: access?.databases ?? [],
    roles: (access?.roles ?? []).map(({ name, database }) => ({ name, database })),
    backendPassword: osUsers?.gateway ? null : backendPassword.reveal(),
    ...(isShared(state) ? { shared: tenantBounds(state) } : {}),
  };
}
