import type { GatewayStatus } from '@borealis/contract';
import type { ClusterPhase, EngineError, FailoverOutcome } from '@borealis/engine';
import type { AppliedDatabases, OsUser, Release, ServerIdentity } from '@borealis/postgres';
import type { Jobs } from '../backups/jobs.js';
import type { SpoolReader } from '../events/spool-reader.js';
import type { MajorState } from '../major/major-state.js';
import type { Replacement } from '../nodes/replace-primary.js';
import type { RestartState } from '../restart/restart-state.js';
import type { StoredDumps } from '../store/dump-watch.js';
import type { StoredBase } from '../store/stored-bases.js';
import type { Mutex } from '../system/mutex.js';
import type { ProcessIdentity } from '../system/process-identity.js';
import type { HomeContext } from './context.js';
import type { GatewayUpgradeRequest } from './gateway-upgrade.js';
import type { ClusterJournal } from './record.js';
import type { Restarts } from './restarts.js';

/** What is known of a cluster in this life of the keeper: observed, never trusted across a restart. */
export interface ClusterState {
  readonly context: HomeContext;
  readonly journal: ClusterJournal;
  readonly spool: SpoolReader;
  /** Asks for another look at once. */
  readonly wake: () => void;
  /** Aborted when the cluster is to be destroyed or the keeper stops: long steps end early. */
  readonly ending: AbortSignal;
  /** All clusters of the home, this one included. */
  readonly others: () => ClusterState[];
  /** Work on its databases that takes long. */
  readonly jobs: Jobs;
  /** What carries dumps of its databases into an object store. */
  readonly uploads: Jobs;
  phase: ClusterPhase;
  detail: string;
  /** Why the last look failed; null when it did not. */
  trouble: EngineError | null;
  release: Release | null;
  /** Null before they were looked up, and for good where there are none. */
  users: { postgres: OsUser; gateway: OsUser | null } | null;
  directoriesReady: boolean;
  dataReady: boolean;
  /** How often in a row PostgreSQL did not start and said that its data is damaged. */
  damages: number;
  /** True when a restore has found the end of its log before its moment, which therefore has all there is. */
  logEnded: boolean;
  configured: boolean;
  /** True when the running server runs by its files, as far as this keeper has seen. */
  configurationLoaded: boolean;
  server: ServerIdentity | null;
  /** True: no standby takes over from the primary that does not run; it is started instead. */
  mayStartPrimary: boolean;
  /** True when no process of a replaced primary is left, as this keeper has seen; and when the primary takes writes. */
  fenced: boolean;
  promoted: boolean;
  /** When the primary was found lost, in milliseconds since 1970; null while there is one. */
  failoverAt: number | null;
  /** What is still to be told of a failover that is through. */
  failedOver: FailoverOutcome | null;
  /** The outcome of the last failover in this life of the keeper. */
  outcome: FailoverOutcome | null;
  /** Somebody wants another primary. */
  replacement: Replacement | null;
  /** True while the gateway holds all sessions for a planned one. */
  held: boolean;
  /** By node: which settings a standby runs by, as far as this keeper has seen. */
  readonly sizes: Map<number, string>;
  /** Writing of the servers' files, one at a time. */
  readonly configuring: Mutex;
  /** Held by whoever looks after the server from before the last upgrade, which a way back takes over from him. */
  readonly feeding: Mutex;
  /** The gateway that accepts connections. */
  gateway: ProcessIdentity | null;
  /** Those that it has replaced and that still serve the tunnels they had. */
  draining: ProcessIdentity[];
  /** By pid: since when a living gateway does not answer, in milliseconds since 1970. */
  readonly gatewaySilences: Map<number, number>;
  /** What the gateway that accepts connections runs; null until it was met. */
  gatewayProgram: GatewayStatus['program'] | null;
  /** Not null: somebody waits for a new gateway to take over. */
  gatewayUpgrade: GatewayUpgradeRequest | null;
  /** Milliseconds since 1970: one of another release is not replaced by itself before. */
  gatewayUpgradeDueAt: number;
  /** Revision of the access document that PostgreSQL runs by. */
  rolesRevision: number;
  /** When to apply the same roles again: a sweep is due, or an object was locked. */
  rolesDueAt: number;
  /** Databases that this keeper has applied since the last sweep; only those that differ are applied again. */
  readonly applied: AppliedDatabases;
  /** When to apply every database again: tenants may have granted what they should not. */
  sweepDueAt: number;
  /** Revision of the file that all living gateways run by. */
  gatewayRevision: number;
  /** Milliseconds since 1970: up to this moment everything is in the object store. Null while nothing can be made from it. */
  storedUpTo: number | null;
  /** The bases that are complete in the object store, as last seen; null before it was looked. */
  storedBases: StoredBase[] | null;
  /** What is known of the dumps of each database in the object store. */
  readonly storedDumps: Map<string, StoredDumps>;
  restart: RestartState;
  major: MajorState;
  readonly serverRestarts: Restarts;
  readonly gatewayRestarts: Restarts;
}
