import type { GatewayEvent, GatewayRole, PostgresMajor, TunnelUser } from '@borealis/contract';

/**
 * What a place that runs clusters must do. Every call is adopt-or-create under the caller's cluster id: it may be
 * repeated after a crash of either side, at any moment, and converges. The engine knows clusters, databases and roles;
 * it has no idea what an add-on is.
 */
export interface Engine {
  /** Majors that can be created now, with the exact release each would get. */
  releases(): Promise<ReleaseOffer[]>;

  /**
   * Makes sure that the cluster is wanted and on its way; answers at once with its state. A repeated call with the same spec
   * adopts what is there; with another spec it throws `conflict`. Throws `unsupported` for a major that is not offered.
   */
  createCluster(id: string, spec: ClusterSpec): Promise<ClusterState>;

  /** The cluster as it is now; null when it was never created or is completely gone. */
  cluster(id: string): Promise<ClusterState | null>;

  /**
   * Makes databases, roles and tunnel users exactly what the document says, in PostgreSQL and in the gateway, and returns
   * when both run by it. Roles that are not listed are dropped, what they owned goes to the database's owner. A document with
   * an older revision than the one in force changes nothing. Throws `not_ready` while the cluster cannot take it.
   */
  applyAccess(id: string, access: ClusterAccess): Promise<void>;

  /** Ends tunnels and sessions of these users and roles now. Unknown names are ignored. */
  closeSessions(id: string, who: { tunnelUsers: string[]; roles: string[] }): Promise<void>;

  /** Bytes that each database of the cluster takes. */
  usage(id: string): Promise<Record<string, number>>;

  /** Removes every trace: processes, sockets, directories, keys, users. Returns when nothing is left; repeated calls are no error. */
  destroyCluster(id: string): Promise<void>;

  /**
   * Events after `cursor` (null: from the oldest kept), in order, at least once; waits up to `waitSeconds` for the first.
   * The engine may forget events at or before a cursor that was handed in.
   */
  events(cursor: string | null, waitSeconds: number): Promise<{ events: EngineEvent[]; cursor: string | null }>;

  /** PEM of the certificate authority that signs the clusters' certificates. */
  caCertificate(): Promise<string>;
}

export interface ReleaseOffer {
  major: PostgresMajor;
  /** PostgreSQL's own number: `16.14`. */
  version: string;
  /** False: it will be fetched first. */
  cached: boolean;
}

export interface ClusterSpec {
  major: PostgresMajor;
  tenancy: 'isolated' | 'shared';
  nodes: number;
  vcpu: number;
  memoryGiB: number;
  storageGiB: number;
}

export type ClusterPhase = 'fetching' | 'creating' | 'starting' | 'ready' | 'recovering' | 'failed' | 'destroying';

export interface ClusterState {
  id: string;
  spec: ClusterSpec;
  phase: ClusterPhase;
  /** A sentence for people: "Waiting for the database to accept connections". */
  detail: string;
  /** PostgreSQL's own number once it is known. */
  version: string | null;
  /** Where the gateway listens and what it proves itself with; allotted once, the same for the cluster's life. */
  gateway: GatewayEndpoint | null;
  /** Revision of the access document in force; 0 before the first. */
  accessRevision: number;
}

export interface GatewayEndpoint {
  host: string;
  port: number;
  /** One-line OpenSSH public key, ed25519: `ssh-ed25519 AAAA…`. */
  hostKey: string;
}

/** The whole of what clients may use in one cluster. */
export interface ClusterAccess {
  revision: number;
  databases: DatabaseSpec[];
  roles: RoleSpec[];
  tunnelUsers: TunnelUser[];
}

export interface DatabaseSpec {
  name: string;
  /** The app's read/write role: owns the database's public schema and inherits what dropped roles owned. */
  owner: string;
}

/** A login role of one database; `readOnly` follows from its name (`…_ro_…`), the rest is the gateway's. */
export type RoleSpec = GatewayRole;

export type EngineEvent = { clusterId: string } & (
  | GatewayEvent
  | { type: 'cluster-recovered'; seq: number; at: string; what: string }
);

export type EngineErrorCode = 'conflict' | 'unsupported' | 'not_ready' | 'no_room' | 'unavailable' | 'internal';

/** Every refusal of an engine. `retryable` says that the same call may succeed later. */
export class EngineError extends Error {
  constructor(
    readonly code: EngineErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'EngineError';
  }

  get retryable(): boolean {
    return this.code === 'not_ready' || this.code === 'unavailable' || this.code === 'no_room';
  }
}
