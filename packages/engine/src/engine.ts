import type {
  BaseReceipt,
  ChangeQuery,
  ChangeSearch,
  CredentialNames,
  GatewayEvent,
  GatewayRole,
  MajorRevertRequest,
  MajorUpgrade,
  MajorUpgradeRequest,
  MinorUpgrade,
  MinorUpgradeRequest,
  PostgresBuild,
  PostgresMajor,
  TunnelUser,
} from '@borealis/contract';
import type { DatabaseBackup } from './backups.js';
import type { MajorUpgradeEvent, MinorUpgradeEvent } from './upgrade-events.js';

/**
 * What a place that runs clusters must do. Every call is adopt-or-create under the caller's cluster id: it may be
 * repeated after a crash of either side, at any moment, and converges. The engine knows clusters, databases and roles;
 * it has no idea what an add-on is.
 */
export interface Engine {
  /** Majors that can be created now, with the exact release each would get, and the releases that nothing is upgraded to by itself. */
  releases(): Promise<ReleaseOffer[]>;

  /** Forgets why a release is refused: it is tried again. No error when nothing speaks against it. */
  allowRelease(version: string): Promise<void>;

  /**
   * Makes sure that the cluster is wanted and on its way; answers at once with its state. A repeated call with the same spec
   * adopts what is there; with another spec it throws `conflict`. Throws `unsupported` for a major that is not offered. With an
   * origin the cluster begins as a copy of another: `not_found` when there is no such cluster, `unsupported` when it cannot be
   * copied as asked (the message says why); later trouble shows in its state. The source notices nothing.
   */
  createCluster(id: string, spec: ClusterSpec): Promise<ClusterState>;

  /**
   * Makes a cluster that runs what another specification of the same major and tenancy says, with everything that is in it; answers at once with
   * its state, whose `specInForce` tells the end. The last one that is asked for counts. One that the server cannot run by is taken
   * back: the state then has the former specification and says why in `changeFailure`. An origin in it is ignored. Throws
   * `unsupported` for another major or tenancy, or for what this engine cannot give, and `not_ready` while there is nothing to change.
   */
  changeCluster(id: string, spec: ClusterSpec): Promise<ClusterState>;

  /**
   * Has a standby that has everything take the primary's place, and returns when the cluster has put itself in order after it. `planned`: sessions
   * rest meanwhile, and nothing happens when they do not come to rest; `crash`: the primary is killed, and all follows that follows
   * then. Throws `not_ready` when no standby may take over or sessions do not rest, `conflict` while another call does the same.
   */
  replacePrimary(id: string, how: PrimaryReplacement): Promise<FailoverOutcome>;

  /** The cluster as it is now; null when it was never created or is completely gone. */
  cluster(id: string): Promise<ClusterState | null>;

  /**
   * Makes databases, roles and tunnel users exactly what the document says, in PostgreSQL and in the gateway, and returns
   * when both run by it. Roles that are not listed are dropped, what they owned goes to the database's owner. Databases
   * that are not listed are closed with their roles until `dropDatabase`. A document with an older revision than the one in force
   * changes nothing. Throws `not_ready` while the cluster cannot take it.
   */
  applyAccess(id: string, access: ClusterAccess): Promise<void>;

  /** Ends what these users, roles and credentials have open now. Unknown names are ignored. Throws `not_ready` when it cannot be known. */
  closeSessions(id: string, who: SessionOwners): Promise<void>;

  /**
   * Tunnels and sessions that are open now, each with the credential that let it in: what a rotation waits for. Throws `not_ready`
   * when that cannot be known: nothing listed means that there is none.
   */
  credentialUse(id: string): Promise<CredentialUse>;

  /**
   * Lets a new process of the installed release take the cluster's listening socket: nobody is refused meanwhile, tunnels that are
   * open go on in the process they are in, a day at most. Throws `not_ready` when there is none to take over from, `unavailable`
   * when the new one cannot: then the old one serves on. Asked again, there is a newer process again.
   */
  upgradeGateway(id: string): Promise<GatewayUpgrade>;

  /** The moments to which `createCluster` can copy this cluster now; null when it is of a kind that is never copied. */
  restoreWindow(id: string): Promise<RestoreWindow | null>;

  /** How far the backup of a database in an object store has come; null where none is kept. */
  storedBackup(id: string, database: string): Promise<StoredBackup | null>;

  /**
   * Looks through all that can be restored of a database for what took rows away. Answers within seconds: while it is reading, the same
   * call is repeated until it has found; a search that nobody asks for any more ends by itself, and one that a crash has ended
   * begins again with the next call. Throws `unsupported` for a cluster of a kind that is never copied and for a time outside of
   * the window, `not_found` when there was no such table, `not_ready` while it cannot be done.
   */
  findChanges(id: string, database: string, query: ChangeQuery): Promise<ChangeSearch>;

  /**
   * What an object store has under that name, which `createCluster` can begin with; null when there is nothing. Throws `unsupported` when store,
   * key or backup cannot be used, and says why.
   */
  storedCluster(name: string): Promise<StoredCluster | null>;

  /**
   * The dumps that an object store has of a database under that name; null when there is nothing. Throws `unsupported`
   * when store, key or backup cannot be used, and says why.
   */
  storedDatabase(name: string): Promise<StoredDatabase | null>;

  /**
   * Makes the cluster run by another minor release of its major while its sessions are held: queries wait instead of failing. Answers at
   * once how far it has come: the same call is repeated until it has an end, and one for the same version joins it. A release that does not
   * start is taken back. Throws `unsupported` for a version that is not offered or of another major, `conflict` for a release that
   * failed its trial and while something else restarts the server, `not_ready` while the cluster cannot take it.
   */
  upgradeMinor(id: string, wanted: MinorUpgradeRequest): Promise<MinorUpgrade>;

  /**
   * Has a server of a newer major take the cluster over with everything in it, after a rehearsal on a copy: the present one serves meanwhile, its
   * schema cannot be changed, and in the end queries wait for a moment. Answers at once how far it has come: the same call is repeated until it has
   * an end. Throws `unsupported` for a major that is not offered or not newer, `conflict` while something else is under way that does not go with
   * it, `not_ready` while the cluster cannot take it.
   */
  upgradeMajor(id: string, wanted: MajorUpgradeRequest): Promise<MajorUpgrade>;

  /**
   * Gives an upgrade that is under way up: nothing is left of it. Answers at once, `running` until that is so: the same call is repeated. Throws
   * `conflict` once the next server has taken over, `not_found` for a request that is not known.
   */
  cancelMajorUpgrade(id: string, request: string): Promise<MajorUpgrade>;

  /**
   * Has the server from before the last major upgrade take over again, with what was written since. Answers like `upgradeMajor`. Throws
   * `unsupported` when there is nothing (any more) to go back to, and says why; `conflict` and `not_ready` as `upgradeMajor` does.
   */
  revertMajorUpgrade(id: string, wanted: MajorRevertRequest): Promise<MajorUpgrade>;

  /**
   * Restores a dump that an object store has into a database of the document in force, and compares it with what was dumped; everything in it
   * belongs to the database's owner. Answers within seconds: true when all of it is there, false while the same call is to be repeated.
   * What a crash breaks off begins anew. Throws `not_found` or `unsupported` for a dump that cannot be used, `conflict` for a database that
   * is not empty or was made of another dump, `no_room`, and `not_ready` while it cannot be done.
   */
  fillDatabase(id: string, database: string, dump: DumpName): Promise<boolean>;

  /** Bytes that each database of the cluster takes. */
  usage(id: string): Promise<Record<string, number>>;

  /** Room where the clusters' data lives. */
  capacity(): Promise<Capacity>;

  /** What can be installed in a database of the cluster, and what is. */
  extensions(id: string, database: string): Promise<ExtensionCatalogue>;

  /**
   * Installs an extension in a schema of its own that all roles of the database can use; returns what is installed then. Throws
   * `unsupported` for one that is not in the catalogue, `exists` when it is installed already or its schema's name is taken,
   * `dependencies` with the extensions it needs first as `details`, and `conflict` while the database is restricted.
   */
  installExtension(id: string, database: string, name: string): Promise<InstalledExtension>;

  /** Removes an extension. Throws `not_found`, `dependents` with what needs it as `details`, `conflict` while restricted. */
  removeExtension(id: string, database: string, name: string): Promise<void>;

  /**
   * Drops a database that the document in force does not list, with everything in it and the roles that were its alone; no error when
   * there is none of that name. Throws `conflict` for one that is listed.
   */
  dropDatabase(id: string, name: string): Promise<void>;

  /**
   * Makes a backup of one moment of a database under that name; returns when it is safe on disk, which takes as long as it takes. Asked
   * again it joins the one under way, or returns the one that is there. Throws `no_room` rather than filling the disk, `unsupported` when
   * this machine has nothing to make it with (the message says what to install), `not_ready` while the database cannot be read.
   */
  backUpDatabase(id: string, database: string, name: string): Promise<DatabaseBackup>;

  /**
   * Restores a backup completely and compares it with what was dumped; returns it with the proof, which says whether it is good. Asked
   * again while one is under way it joins that one. Throws `not_found`, and as `backUpDatabase` does when it could not be tried.
   */
  proveBackup(id: string, database: string, name: string): Promise<DatabaseBackup>;

  /** The complete backups of a database, oldest first. They go with it. */
  backups(id: string, database: string): Promise<DatabaseBackup[]>;

  /** The backup as a stream that `pg_restore` reads (custom format); it fails unless every byte is what was dumped. Throws `not_found`. */
  readBackup(id: string, database: string, name: string): Promise<AsyncIterable<Buffer>>;

  /**
   * Restores a backup of the database of that name in another cluster of this engine into a database of the document in force, and compares it with
   * what was dumped; everything in it belongs to the database's owner. Answers within seconds: true when all of it is there, false while
   * the same call is to be repeated. What a crash breaks off begins anew. Throws `not_found` without such a backup, `unsupported` when
   * it cannot be restored, `conflict` for a database with something else in it, `no_room`, and `not_ready` while it cannot be done.
   */
  copyDatabase(id: string, database: string, from: DatabaseCopySource): Promise<boolean>;

  /** Removes a backup; one that is not there is no error. */
  dropBackup(id: string, database: string, name: string): Promise<void>;

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

/** A backup of a database of the same name. */
export interface DatabaseCopySource {
  clusterId: string;
  backup: string;
}

export interface ReleaseOffer {
  major: PostgresMajor;
  /** The newest of the npm packages, PostgreSQL's own number: `16.14`. */
  version: string;
  /** What the machine has itself, for clusters that run by it; null: nothing, or no cluster is to. */
  system: string | null;
  /** False: `version` will be fetched first. */
  cached: boolean;
  /** Releases of this major, the newest among them or not, that failed where the one before them does not. */
  refused: RefusedRelease[];
}

export interface RefusedRelease {
  version: string;
  /** A sentence for people. */
  reason: string;
  /** ISO 8601 in UTC. */
  at: string;
}

export interface ClusterSpec {
  major: PostgresMajor;
  tenancy: 'isolated' | 'shared';
  nodes: number;
  vcpu: number;
  memoryGiB: number;
  storageGiB: number;
  /** What its data is copied from; left out: it begins empty. */
  origin?: ClusterOrigin | undefined;
}

/** Another cluster of this engine, of the same major, with tenants of its own. */
export interface ClusterOrigin {
  clusterId: string;
  /** True: `clusterId` is the name of a backup in the object store, whose cluster may be gone with its machine. */
  fromStore?: true | undefined;
  /** ISO 8601 with a zone, to the microsecond: exactly the commits up to it are there. Null: all that are acknowledged when the copy is made. */
  moment: string | null;
  /**
   * What bears another name in the copy, before anybody is let in. Roles that are not named here are dropped by the first access
   * document, as always; no password of the source is valid in the copy.
   */
  renames: { databases: Rename[]; roles: Rename[] };
}

export interface Rename {
  from: string;
  to: string;
}

/** Both ends are ISO 8601 in UTC to the microsecond; both null while nothing can be restored yet. A copy of the present needs no window. */
export interface RestoreWindow {
  earliest: string | null;
  latest: string | null;
  /** Oldest first: what is restored to a moment before `until` is of that major; everything since the last of them is of the present one. */
  formerMajors: { major: PostgresMajor; until: string }[];
  /** What the last trial of the newest base and the log since has found; left out before the first. */
  proof?: BaseReceipt | undefined;
}

/** What is known of a cluster from an object store alone. */
export interface StoredCluster {
  major: PostgresMajor;
  databases: { name: string; owner: string }[];
  roles: { name: string; database: string }[];
  /** Of its data, as it was in the newest base. */
  bytes: number;
  /** Without a moment, what is made from it has everything that is in the store. */
  window: RestoreWindow;
}

export interface StoredBackup {
  /**
   * Everything up to this moment is in the store: ISO 8601 in UTC. Null while nothing can be made from it yet. Of a cluster that several
   * share it is the moment of the newest backup there.
   */
  upTo: string | null;
  /** The moment of the newest backup of `backUpDatabase` there; null when there is none. */
  newestDump: string | null;
  /** How many of those are complete, and not there yet. */
  waitingDumps: number;
}

/** One dump among those that an object store has of a database. */
export interface DumpName {
  /** As `storedDatabase` takes it. */
  backup: string;
  dump: string;
}

/** The dumps of one database, as an object store alone has them. */
export interface StoredDatabase {
  major: PostgresMajor;
  database: string;
  owner: string;
  /** Complete ones, oldest first. */
  dumps: DatabaseBackup[];
}

export type ClusterPhase =
  | 'fetching'
  | 'creating'
  | 'copying'
  | 'starting'
  | 'ready'
  | 'recovering'
  | 'failed'
  | 'destroying';

export interface ClusterState {
  id: string;
  spec: ClusterSpec;
  /** False while a change of the specification is under way: the cluster then still runs by the former one, in whole or in part. */
  specInForce: boolean;
  /** Why the last change was taken back; null when it was not. */
  changeFailure: string | null;
  phase: ClusterPhase;
  /** A sentence for people: "Waiting for the database to accept connections". */
  detail: string;
  /** PostgreSQL's own number once it is known. */
  version: string | null;
  /** The same for the cluster's life, and that of its copies. */
  build: PostgresBuild;
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
  /** True: whatever SQL its roles send, they can read and no more. Nothing in it is lost, and all rights come back without it. */
  restricted?: boolean | undefined;
}

/** Whose tunnels and sessions are meant. */
export interface SessionOwners {
  tunnelUsers: string[];
  roles: string[];
  /** Old keys and passwords of users and roles that live on: what they opened, and nothing else of those users and roles. */
  credentials?: CredentialNames | undefined;
}

export interface CredentialUse {
  /** Open tunnels by SSH user and the SHA-256 fingerprint of the key that opened them (`SHA256:…`, as OpenSSH prints it). */
  tunnels: { username: string; fingerprint: string; count: number }[];
  /** Open sessions by role and the verifier whose password let them in, as its SHA-256 in hexadecimal. */
  sessions: { role: string; verifierDigest: string; count: number }[];
}

export interface GatewayUpgrade {
  /** Gateways that were replaced and still have tunnels; each of these is ended cleanly at `until` (ISO 8601). */
  draining: { tunnels: number; until: string }[];
}

export interface Capacity {
  totalBytes: number;
  freeBytes: number;
  dataAtRest: DataAtRest;
}

/** What is true of the files of clusters; found by looking, never assumed. */
export interface DataAtRest {
  /** What encrypts them, as `AES-256-XTS (LUKS)`; null: nothing that could be found does. */
  encryption: string | null;
  /** Copies share blocks with the original until one of them changes. */
  copyOnWrite: boolean;
}

export interface InstalledExtension {
  name: string;
  schema: string;
  version: string;
}

export interface ExtensionCatalogue {
  /** Names that `installExtension` takes, with the version it would install and the extensions each needs first. */
  available: { name: string; version: string; requires: string[] }[];
  installed: InstalledExtension[];
}

/** A login role of one database; `readOnly` follows from its name (`…_ro_…`), the rest is the gateway's. */
export type RoleSpec = GatewayRole;

/** Something died and is back; data that could not be started was made anew, up to the moment that `what` tells. */
export type RecoveryEventType = 'cluster-recovered' | 'cluster-rebuilt';

/**
 * Trouble that lasts, for the reason that `what` gives, and its end: finished WAL does not reach the archive, no base can be made, what is there
 * does not reach the object store, the newest base and the log since cannot be restored, or that could not be tried.
 */
export type TroubleEventType = `${'archive' | 'bases' | 'store' | 'proofs'}-${'failing' | 'recovered'}`;

/** A base and the log since were restored in a trial, and found good. */
export type ProofEventType = 'base-proven';

/**
 * Another node becomes the primary, and is it; and of a cluster with standbys: from when on a commit that is acknowledged is on one node only,
 * and on two again; its disk, which all nodes share, does not write.
 */
export type NodeEventType =
  | `failover-${'started' | 'completed'}`
  | `protection-${'lost' | 'restored'}`
  | 'disk-stalled';

export const PRIMARY_REPLACEMENTS = ['planned', 'crash'] as const;
export type PrimaryReplacement = (typeof PRIMARY_REPLACEMENTS)[number];

/** What `failover-completed` tells. */
export interface FailoverOutcome {
  /** From when the primary was found lost, or was to be replaced, until the next one took writes. */
  milliseconds: number;
  /** Sessions that went on, and those that were ended. Null where the gateway did not say. */
  kept: number | null;
  closed: number | null;
}

export type EngineEvent = { clusterId: string } & (
  | GatewayEvent
  | {
      type: RecoveryEventType | TroubleEventType | ProofEventType | NodeEventType;
      seq: number;
      at: string;
      what: string;
      outcome?: FailoverOutcome;
    }
  | ({ seq: number; at: string } & (MinorUpgradeEvent | MajorUpgradeEvent))
);

export const ENGINE_ERROR_CODES = [
  'conflict',
  'unsupported',
  'exists',
  'not_found',
  'dependencies',
  'dependents',
  'not_ready',
  'no_room',
  'unavailable',
  'internal',
] as const;
export type EngineErrorCode = (typeof ENGINE_ERROR_CODES)[number];

/** Every refusal of an engine. `retryable` says that the same call may succeed later. */
export class EngineError extends Error {
  constructor(
    readonly code: EngineErrorCode,
    message: string,
    options: { cause?: unknown; details?: readonly string[] } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.name = 'EngineError';
    this.details = options.details ?? [];
  }

  /** Names that the refusal is about: missing dependencies, dependents. */
  readonly details: readonly string[];

  get retryable(): boolean {
    return this.code === 'not_ready' || this.code === 'unavailable' || this.code === 'no_room';
  }
}
