import { statfs } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  type ChangeQuery,
  type ChangeSearch,
  CLUSTER_ID,
  type MajorRevertRequest,
  type MajorUpgrade,
  type MajorUpgradeRequest,
  type MinorUpgrade,
  type MinorUpgradeRequest,
  POSTGRES_MAJORS,
  type PostgresBuild,
} from '@borealis/contract';
import {
  type Capacity,
  type ClusterAccess,
  type ClusterSpec,
  type CredentialUse,
  type DatabaseBackup,
  type DatabaseCopySource,
  type DatabaseSpec,
  type DumpName,
  type Engine,
  EngineError,
  type EngineEvent,
  type ExtensionCatalogue,
  type FailoverOutcome,
  type GatewayUpgrade,
  type InstalledExtension,
  type PrimaryReplacement,
  type ClusterState as PublicState,
  type ReleaseOffer,
  type RestoreWindow,
  type SessionOwners,
  type StoredBackup,
  type StoredCluster,
  type StoredDatabase,
} from '@borealis/engine';
import {
  type ConnectTo,
  connect,
  databaseSizes,
  extensionCatalogue,
  installExtension,
  isCached,
  isTenantDatabase,
  majorOf,
  offeredMajors,
  offeredRelease,
  removeExtension,
  systemVersion,
} from '@borealis/postgres';
import { Backups } from './backups/backups.js';
import { backupElsewhere, storedDump } from './backups/fill-source.js';
import { Fills } from './backups/fills.js';
import { ChangeSearches } from './changes/change-searches.js';
import { checkAccess } from './cluster/access-check.js';
import { allotCluster } from './cluster/allotment.js';
import { changeSpec } from './cluster/change-spec.js';
import type { Clusters } from './cluster/clusters.js';
import type { HomeContext } from './cluster/context.js';
import { dropClusterDatabase } from './cluster/drop-database.js';
import type { GatewayUpgradeRequest } from './cluster/gateway-upgrade.js';
import { closeSessions, credentialUse } from './cluster/open-sessions.js';
import type { ClusterReconciler } from './cluster/reconciler.js';
import { clusterSpec } from './cluster/schemas.js';
import { isShared, serverSpec } from './cluster/server-spec.js';
import type { ClusterState } from './cluster/state.js';
import { publicState } from './cluster/view.js';
import { CONTROL_ID } from './control-database.js';
import { checkOrigin } from './copies/origin-check.js';
import { readRestoreWindow } from './copies/restore-window.js';
import { toEngineError } from './errors.js';
import { cancelMajorUpgrade, revertMajorUpgrade, upgradeMajor } from './major/major-upgrade.js';
import { refuseDuringMajor } from './major/refuse.js';
import { replacePrimary } from './nodes/replace-primary.js';
import { MOST_NODES } from './nodes/roles.js';
import { buildForNew, newestRelease } from './releases/newest.js';
import { upgradeMinor } from './restart/minor-upgrade.js';
import { RefusedReleases } from './restart/refused-releases.js';
import { describeDumps } from './store/dump-origin.js';
import { storedBackup } from './store/how-far.js';
import { checkStoredOrigin, describeBackup } from './store/import-origin.js';

const LONGEST_WAIT_SECONDS = 60;

/** The engine of one machine, inside the keeper. */
export class LocalEngine implements Engine {
  readonly #searches = new ChangeSearches();
  readonly #fills = new Fills();

  constructor(
    private readonly context: HomeContext,
    private readonly clusters: Clusters,
  ) {}

  async releases(): Promise<ReleaseOffer[]> {
    const offered = offeredMajors();
    const majors = POSTGRES_MAJORS.filter((major) => offered.includes(major));
    const refused = await new RefusedReleases(this.context.home.paths).all();
    const isUsed = this.context.options.postgresBuild === 'system' || this.clusters.runBySystem();
    return Promise.all(
      majors.map(async (major) => {
        const { version } = offeredRelease(major);
        const { cacheDir, systemRoot } = this.context.options;
        const cached = await isCached(version, cacheDir);
        const system = isUsed ? await systemVersion(major, systemRoot) : null;
        return { major, version, system, cached, refused: refused.filter((one) => majorOf(one.version) === major) };
      }),
    );
  }

  async allowRelease(version: string): Promise<void> {
    await new RefusedReleases(this.context.home.paths).allow(version);
  }

  async createCluster(id: string, spec: ClusterSpec): Promise<PublicState> {
    checkId(id);
    const wanted = checkSpec(spec);
    const cluster = await this.clusters
      .adoptOrCreate(id, async (taken) => {
        const build = await this.buildFor(wanted);
        const version = await newestRelease(this.context.options, build, wanted.major);
        return allotCluster(this.context, id, wanted, { version, build }, taken);
      })
      .catch((error: unknown) => {
        throw toEngineError(error);
      });
    const { record } = cluster.state.journal;
    if (record.wanted === 'gone') throw new EngineError('conflict', `The cluster "${id}" is being destroyed.`);
    if (!isDeepStrictEqual(record.spec, wanted))
      throw new EngineError('conflict', `The cluster "${id}" already exists with another specification.`);
    return publicState(cluster.state);
  }

  async changeCluster(id: string, spec: ClusterSpec): Promise<PublicState> {
    const cluster = this.known(id);
    await changeSpec(cluster.state, checkSpec(spec));
    return publicState(cluster.state);
  }

  async replacePrimary(id: string, how: PrimaryReplacement): Promise<FailoverOutcome> {
    return replacePrimary(this.known(id), how);
  }

  async cluster(id: string): Promise<PublicState | null> {
    const found = this.find(id);
    return found ? publicState(found.state) : null;
  }

  async applyAccess(id: string, document: ClusterAccess): Promise<void> {
    const cluster = this.known(id);
    const access = checkAccess(document);
    const { journal } = cluster.state;
    if (access.revision < (journal.record.access?.revision ?? 0)) return;
    if (cluster.state.phase !== 'ready')
      throw new EngineError('not_ready', `The cluster "${id}" cannot take it now: ${cluster.state.detail}`);
    await journal
      .update(({ access: current }) => {
        if (current && current.revision > access.revision) return {};
        if (current?.revision === access.revision && !isDeepStrictEqual(current, access))
          throw new EngineError('conflict', `Revision ${access.revision} of the access document has another content.`);
        return { access };
      })
      .catch((error: unknown) => {
        throw toEngineError(error);
      });
    cluster.state.trouble = null;
    cluster.state.wake();
    await cluster.until(() => accessOutcome(cluster, access.revision));
  }

  async closeSessions(id: string, who: SessionOwners): Promise<void> {
    const cluster = this.find(id);
    if (cluster) await closeSessions(cluster.state, who);
  }

  async credentialUse(id: string): Promise<CredentialUse> {
    return credentialUse(this.known(id).state);
  }

  async upgradeGateway(id: string): Promise<GatewayUpgrade> {
    const cluster = this.known(id);
    const { state } = cluster;
    if (state.phase !== 'ready')
      throw new EngineError('not_ready', `The gateway of "${id}" cannot be replaced now: ${state.detail}`);
    state.gatewayUpgrade ??= { outcome: null };
    const request = state.gatewayUpgrade;
    state.wake();
    return cluster.until(() => upgradeOutcome(cluster, request));
  }

  async capacity(): Promise<Capacity> {
    const { bavail, blocks, bsize } = await statfs(this.context.home.paths.clusters);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, dataAtRest: this.context.dataAtRest };
  }

  async extensions(id: string, database: string): Promise<ExtensionCatalogue> {
    const { available, installed } = await this.inDatabase(id, database, (connectTo) =>
      extensionCatalogue(connectTo, database),
    );
    return { available: available.map(({ name, version, requires }) => ({ name, version, requires })), installed };
  }

  async installExtension(id: string, database: string, name: string): Promise<InstalledExtension> {
    refuseDuringMajor(this.known(id).state.journal.record);
    return this.inDatabase(id, database, (connectTo, spec) => installExtension(connectTo, spec, name));
  }

  async removeExtension(id: string, database: string, name: string): Promise<void> {
    refuseDuringMajor(this.known(id).state.journal.record);
    await this.inDatabase(id, database, (connectTo, spec) => removeExtension(connectTo, spec, name));
  }

  async dropDatabase(id: string, name: string): Promise<void> {
    const { state } = this.known(id);
    refuseDuringMajor(state.journal.record);
    await dropClusterDatabase(state, name);
  }

  async restoreWindow(id: string): Promise<RestoreWindow | null> {
    const { state } = this.known(id);
    return isShared(state) ? null : readRestoreWindow(state);
  }

  async storedBackup(id: string, database: string): Promise<StoredBackup | null> {
    return storedBackup(this.known(id).state, database);
  }

  async backUpDatabase(id: string, database: string, name: string): Promise<DatabaseBackup> {
    return this.backupsOf(id, database).make(name);
  }

  async proveBackup(id: string, database: string, name: string): Promise<DatabaseBackup> {
    return this.backupsOf(id, database).prove(name);
  }

  async backups(id: string, database: string): Promise<DatabaseBackup[]> {
    return this.backupsOf(id, database).list();
  }

  async readBackup(id: string, database: string, name: string): Promise<AsyncIterable<Buffer>> {
    return this.backupsOf(id, database).read(name);
  }

  async dropBackup(id: string, database: string, name: string): Promise<void> {
    await this.backupsOf(id, database).drop(name);
  }

  async findChanges(id: string, database: string, query: ChangeQuery): Promise<ChangeSearch> {
    const { state } = this.known(id);
    if (isShared(state))
      throw new EngineError('unsupported', 'Tenants share this cluster: its log is not kept, so nothing can be found.');
    return this.#searches.ask(state, database, query);
  }

  async storedCluster(name: string): Promise<StoredCluster | null> {
    return describeBackup(this.context, name);
  }

  async storedDatabase(name: string): Promise<StoredDatabase | null> {
    return describeDumps(this.context, name);
  }

  async upgradeMinor(id: string, wanted: MinorUpgradeRequest): Promise<MinorUpgrade> {
    return upgradeMinor(this.known(id).state, wanted).catch((error: unknown) => {
      throw toEngineError(error);
    });
  }

  async upgradeMajor(id: string, wanted: MajorUpgradeRequest): Promise<MajorUpgrade> {
    return upgradeMajor(this.known(id).state, wanted);
  }

  async cancelMajorUpgrade(id: string, request: string): Promise<MajorUpgrade> {
    return cancelMajorUpgrade(this.known(id).state, request);
  }

  async revertMajorUpgrade(id: string, wanted: MajorRevertRequest): Promise<MajorUpgrade> {
    return revertMajorUpgrade(this.known(id).state, wanted);
  }

  async copyDatabase(id: string, database: string, from: DatabaseCopySource): Promise<boolean> {
    const source = backupElsewhere((clusterId) => this.find(clusterId)?.state, database, from);
    const { state } = this.known(id);
    refuseDuringMajor(state.journal.record);
    return this.#fills.ask(state, database, source);
  }

  async fillDatabase(id: string, database: string, dump: DumpName): Promise<boolean> {
    const { state } = this.known(id);
    refuseDuringMajor(state.journal.record);
    return this.#fills.ask(state, database, storedDump(this.context, dump));
  }

  async usage(id: string): Promise<Record<string, number>> {
    const client = await connector(this.known(id).state)('postgres');
    try {
      return await databaseSizes(client);
    } finally {
      await client.end();
    }
  }

  async destroyCluster(id: string): Promise<void> {
    const cluster = this.find(id);
    if (!cluster) return;
    await cluster.state.journal.markGone();
    cluster.state.trouble = null;
    cluster.state.wake();
    await cluster.until(() => {
      if (cluster.gone) return true;
      refuseWhenStopped(cluster);
      if (cluster.state.trouble) throw cluster.state.trouble;
      return undefined;
    });
  }

  async events(cursor: string | null, waitSeconds: number): Promise<{ events: EngineEvent[]; cursor: string | null }> {
    const after = Number(cursor ?? 0);
    if (!Number.isSafeInteger(after) || after < 0)
      throw new EngineError('unsupported', 'The cursor is not one that this engine gave.');
    const wait = Math.min(Math.max(waitSeconds, 0), LONGEST_WAIT_SECONDS);
    const batch = await this.context.events.read(after, wait);
    return { events: batch.events, cursor: String(batch.cursor) };
  }

  async caCertificate(): Promise<string> {
    return this.context.authority.certificate;
  }

  /** What a new cluster runs by for life; throws where it cannot be what its specification says. */
  private async buildFor(wanted: ClusterSpec): Promise<PostgresBuild> {
    const { major, origin } = wanted;
    if (!origin) return buildForNew(this.context.options, major);
    if (origin.fromStore) return checkStoredOrigin(this.context, wanted, origin);
    return checkOrigin(wanted, origin, this.clusters.find(origin.clusterId)?.state);
  }

  /** Does something in a database that the document in force lists. */
  private async inDatabase<T>(
    id: string,
    name: string,
    work: (connectTo: ConnectTo, database: DatabaseSpec) => Promise<T>,
  ): Promise<T> {
    const { state } = this.known(id);
    const database = state.journal.record.access?.databases.find((listed) => listed.name === name);
    if (!database) throw new EngineError('not_ready', `The cluster "${id}" has no database "${name}".`);
    try {
      return await work(connector(state), database);
    } catch (error) {
      throw toEngineError(error);
    }
  }

  private backupsOf(id: string, database: string): Backups {
    if (!isTenantDatabase(database))
      throw new EngineError('unsupported', `"${database}" cannot be the name of a database.`);
    return new Backups(this.known(id).state, database);
  }

  private find(id: string): ClusterReconciler | undefined {
    checkId(id);
    return this.clusters.find(id);
  }

  private known(id: string): ClusterReconciler {
    const found = this.find(id);
    if (!found) throw new EngineError('not_ready', `There is no cluster "${id}".`);
    return found;
  }
}

/** Opens connections as the superuser; throws `not_ready` when there is nothing to connect to. */
function connector(state: ClusterState): ConnectTo {
  const { id } = state.journal.record;
  return async (database) => {
    if (!state.server) throw new EngineError('not_ready', `The cluster "${id}" does not answer now: ${state.detail}`);
    return connect(serverSpec(state), database).catch((error: unknown) => {
      throw new EngineError('not_ready', `The cluster "${id}" does not accept connections.`, { cause: error });
    });
  };
}

function accessOutcome(cluster: ClusterReconciler, revision: number): true | undefined {
  const { journal, trouble } = cluster.state;
  if (journal.record.accessInForce >= revision) return true;
  refuseWhenStopped(cluster);
  if (journal.record.wanted === 'gone') throw new EngineError('conflict', 'The cluster is being destroyed.');
  if (trouble)
    throw new EngineError(trouble.code === 'no_room' ? 'no_room' : 'not_ready', trouble.message, { cause: trouble });
  return undefined;
}

function upgradeOutcome(cluster: ClusterReconciler, { outcome }: GatewayUpgradeRequest): GatewayUpgrade | undefined {
  if (outcome instanceof Error) throw new EngineError('unavailable', outcome.message, { cause: outcome });
  if (outcome) return outcome;
  refuseWhenStopped(cluster);
  const { journal, trouble } = cluster.state;
  if (journal.record.wanted === 'gone') throw new EngineError('conflict', 'The cluster is being destroyed.');
  if (trouble) throw new EngineError('not_ready', trouble.message, { cause: trouble });
  return undefined;
}

function refuseWhenStopped(cluster: ClusterReconciler): void {
  if (cluster.stopped) throw new EngineError('unavailable', 'The keeper is stopping.');
}

function checkId(id: string): void {
  if (!CLUSTER_ID.test(id) || id === CONTROL_ID)
    throw new EngineError(
      'unsupported',
      'A cluster is named by 4 to 16 lower-case letters and digits, beginning with a letter, and not "control".',
    );
}

function checkSpec(spec: unknown): ClusterSpec {
  const parsed = clusterSpec.safeParse(spec);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new EngineError('unsupported', `The specification is refused: ${issue?.path.join('.')}: ${issue?.message}.`);
  }
  const { nodes, tenancy } = parsed.data;
  if (nodes > MOST_NODES || (nodes > 1 && tenancy === 'shared'))
    throw new EngineError(
      'unsupported',
      `A cluster has at most ${MOST_NODES} nodes, and one that several tenants share has one.`,
    );
  return parsed.data;
}
