import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { clusterHosts, type GatewayConfigInput } from '@borealis/contract';
import { majorOf } from '@borealis/postgres';
import type { ClusterRecord, GatewayRecord } from '../cluster/record.js';
import { type ClusterPaths, ofNode } from '../home/paths.js';
import { type Ownership, writeFileAtomic } from '../system/files.js';
import { TENANT_SHARE } from './tenant-share.js';

/** The inherited listening socket's number in every gateway. */
export const LISTENING_FD = 3;

/** PostgreSQL listens on no TCP port; the number is only a part of its socket's name. */
export const POSTGRES_PORT = 5432;

/** A digest of everything the gateway runs by, its revision apart: it changes exactly when the file has to. */
export function configDigest(record: ClusterRecord, gateway: GatewayRecord, paths: ClusterPaths): string {
  const content = JSON.stringify(gatewayConfigOf(record, { ...gateway, revision: 0 }, paths));
  return createHash('sha256').update(content).digest('hex');
}

/** Writes `gateway.json`, readable by the gateway's user only. */
export async function writeGatewayConfig(
  record: ClusterRecord,
  gateway: GatewayRecord,
  paths: ClusterPaths,
  owner: Ownership | undefined,
): Promise<void> {
  const content = JSON.stringify(gatewayConfigOf(record, gateway, paths), null, 1);
  await writeFileAtomic(join(paths.gateway, 'gateway.json'), `${content}\n`, 0o600, owner);
}

function gatewayConfigOf(record: ClusterRecord, gateway: GatewayRecord, paths: ClusterPaths): GatewayConfigInput {
  return {
    clusterId: record.id,
    revision: gateway.revision,
    tenancy: record.spec.tenancy,
    listen: { fd: LISTENING_FD },
    hosts: clusterHosts(record.id),
    generation: record.generation,
    catalogs: majorOf(record.version),
    primary: { socketDirectory: paths.socketDirectory, port: POSTGRES_PORT },
    replica:
      record.reads === null
        ? null
        : { socketDirectory: ofNode(paths, record.reads).socketDirectory, port: POSTGRES_PORT },
    backendAuth: record.osUsers?.gateway
      ? { method: 'peer' }
      : { method: 'scram', password: record.backendPassword.reveal() },
    sshHostKeys: gateway.hostKeys.map((key) => key.reveal()),
    tls: { certificate: gateway.tls.certificate, privateKey: gateway.tls.privateKey.reveal() },
    mockSecret: gateway.mockSecret.reveal(),
    tunnelUsers: record.access?.tunnelUsers ?? [],
    roles: record.access?.roles ?? [],
    ...(record.spec.tenancy === 'shared' && { limits: TENANT_SHARE }),
  };
}
