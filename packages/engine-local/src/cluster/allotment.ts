import { randomBytes } from 'node:crypto';
import { clusterHosts, type PostgresBuild, randomPassword, Secret, TUNNEL_HOST } from '@borealis/contract';
import type { ClusterSpec } from '@borealis/engine';
import { generateArchiveKey, isArchived } from '../archive/archive-of.js';
import { allotAddress, type GatewayAddress } from '../gateway/address.js';
import { generateHostKeys } from '../gateway/host-keys.js';
import type { LeafCertificate } from '../home/certificate-authority.js';
import { hasOsUsers } from '../system/os-users.js';
import type { HomeContext } from './context.js';
import type { ClusterRecord, GatewayRecord } from './record.js';

/** What a cluster is begun with. */
export interface FirstRelease {
  /** PostgreSQL's own number. */
  version: string;
  build: PostgresBuild;
}

/** The first record of a cluster, with all that it keeps for life. `taken` are the addresses of the home's other gateways. */
export async function allotCluster(
  context: HomeContext,
  id: string,
  spec: ClusterSpec,
  release: FirstRelease,
  taken: readonly GatewayAddress[],
): Promise<ClusterRecord> {
  const record = { ...basicRecord(context, id, spec, release), gateway: await allotGateway(context, id, taken) };
  return { ...record, archiveKey: isArchived(record) ? generateArchiveKey() : null };
}

/** The first record of a cluster that no tunnel leads to. */
export function basicRecord(
  { home }: HomeContext,
  id: string,
  spec: ClusterSpec,
  { version, build }: FirstRelease,
  hasGateway = true,
): ClusterRecord {
  const suffix = `${home.id}-${id}`;
  return {
    format: 1,
    id,
    wanted: 'present',
    spec,
    version,
    build,
    generation: 1,
    era: 1,
    formerEras: [],
    primary: 1,
    standbys: [],
    reads: null,
    failover: null,
    osUsers: hasOsUsers() ? { postgres: `bpg-${suffix}`, gateway: hasGateway ? `bgw-${suffix}` : null } : null,
    superuserPassword: new Secret(randomPassword()),
    backendPassword: new Secret(randomPassword()),
    archiveKey: null,
    archiveFailing: false,
    basesFailing: false,
    proofsFailing: false,
    baseProof: null,
    filled: {},
    storedIn: null,
    storeFailing: false,
    backupKeys: {},
    change: null,
    changeFailure: null,
    rebuild: null,
    next: null,
    lastRestart: null,
    major: null,
    lastMajor: null,
    former: null,
    gateway: null,
    access: null,
    accessInForce: 0,
    born: false,
  };
}

async function allotGateway(
  context: HomeContext,
  id: string,
  taken: readonly GatewayAddress[],
): Promise<GatewayRecord> {
  const address = await allotAddress(context.home.id, id, taken, context.options.publicGateways);
  const keys = generateHostKeys();
  return {
    address,
    hostKeys: keys.privateKeys,
    hostKeyPublic: keys.publicKey,
    tls: await issueGatewayCertificate(context, id),
    mockSecret: new Secret(randomBytes(32).toString('base64')),
    revision: 0,
    digest: '',
  };
}

/** A certificate for every name by which a client may reach the cluster through its tunnel. */
export function issueGatewayCertificate({ authority, options }: HomeContext, id: string): Promise<LeafCertificate> {
  const hosts = clusterHosts(id);
  const names = [hosts.primary, hosts.replica, TUNNEL_HOST, options.tunnelHost, 'localhost', '127.0.0.1'];
  return authority.issue(hosts.primary, [...new Set(names.filter((name) => name !== undefined))]);
}
