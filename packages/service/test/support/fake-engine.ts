import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  type ChangeQuery,
  type ChangeSearch,
  type MajorRevertRequest,
  type MajorUpgrade,
  type MajorUpgradeRequest,
  type MinorUpgrade,
  type MinorUpgradeRequest,
  type PostgresMajor,
  parseVerifier,
} from '@borealis/contract';
import {
  type ClusterAccess,
  type ClusterOrigin,
  type ClusterSpec,
  type ClusterState,
  type CredentialUse,
  type DatabaseBackup,
  type DumpName,
  type Engine,
  EngineError,
  type EngineEvent,
  type InstalledExtension,
  type RefusedRelease,
  type RestoreWindow,
  type SessionOwners,
  type StoredBackup,
  type StoredCluster,
  type StoredDatabase,
} from '@borealis/engine';

const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEngineDouble';

/** What an engine promises, kept in memory: adopt-or-create, revisions that only grow, events behind a cursor. */
export class FakeEngine implements Engine {
  readonly clusters = new Map<string, ClusterState & { access: ClusterAccess | null }>();
  readonly closed: ({ id: string } & SessionOwners)[] = [];
  readonly gatewaysUpgraded: string[] = [];
  readonly log: EngineEvent[] = [];
  /** Calls that were made, by name; a create counts only when it made something. */
  readonly counts = { created: 0, applied: 0, destroyed: 0 };
  /** Runs before each call: throw to make it fail, wait to slow it down. */
  before: (call: string) => void | Promise<void> = () => {};
  /** How often a new cluster is looked at before it is ready. */
  looksUntilReady = 1;

  async releases() {
    await this.before('releases');
    return (['13', '14', '15', '16', '17', '18'] as const).map((major) => ({
      major,
      version: `${major}.4`,
      system: this.system[major] ?? null,
      cached: true,
      refused: this.refused.filter((one) => one.version.startsWith(`${major}.`)),
    }));
  }

  refused: RefusedRelease[] = [];
  /** What the machine has itself, by major. */
  system: Partial<Record<PostgresMajor, string>> = {};

  async allowRelease(version: string) {
    await this.before('allowRelease');
    this.refused = this.refused.filter((one) => one.version !== version);
  }

  async createCluster(id: string, spec: ClusterSpec) {
    await this.before('createCluster');
    const found = this.clusters.get(id);
    if (found && JSON.stringify(found.spec) !== JSON.stringify(spec)) throw new EngineError('conflict', 'another spec');
    const isKnown = (origin: ClusterOrigin) =>
      (origin.fromStore ? this.storedClusters : this.clusters).has(origin.clusterId);
    if (!found && spec.origin && !isKnown(spec.origin)) throw new EngineError('not_found', 'There is no such cluster.');
    if (!found) {
      this.counts.created++;
      this.clusters.set(id, {
        ...{
          id,
          spec,
          phase: spec.origin ? 'copying' : 'creating',
          detail: 'Creating',
          version: `${spec.major}.4`,
          build: 'npm',
          access: null,
          specInForce: true,
          changeFailure: null,
        },
        gateway: { host: '127.1.2.3', port: 22, hostKey: HOST_KEY },
        accessRevision: 0,
      });
    }
    return this.clusters.get(id)!;
  }

  /** How often a changed cluster is looked at before it runs by its new specification. */
  looksUntilChanged = 1;
  /** Why every change is taken back; null: none is. */
  changeFailure: string | null = null;
  readonly #former = new Map<string, ClusterSpec>();

  async replacePrimary(): Promise<never> {
    throw new EngineError('not_ready', 'There is no standby.');
  }

  async changeCluster(id: string, spec: ClusterSpec) {
    await this.before('changeCluster');
    const found = this.clusters.get(id);
    if (found?.phase !== 'ready') throw new EngineError('not_ready', 'There is nothing to change.');
    if (found.spec.tenancy !== spec.tenancy || found.spec.major !== spec.major)
      throw new EngineError('unsupported', 'It stays what it is.');
    if (found.specInForce) this.#former.set(id, found.spec);
    const isSame = isDeepStrictEqual({ ...found.spec, origin: undefined }, { ...spec, origin: undefined });
    Object.assign(found, { spec: { ...spec, origin: found.spec.origin }, changeFailure: null });
    if (!isSame) found.specInForce = false;
    return found;
  }

  #finishChange(found: ClusterState): void {
    if (found.specInForce || this.looksUntilChanged-- > 0) return;
    found.specInForce = true;
    if (this.changeFailure === null) return;
    Object.assign(found, { spec: this.#former.get(found.id), changeFailure: this.changeFailure });
  }

  async cluster(id: string) {
    await this.before('cluster');
    const found = this.clusters.get(id);
    if (found) this.#finishChange(found);
    const isMaking = found?.phase === 'creating' || found?.phase === 'copying';
    if (isMaking && this.looksUntilReady-- <= 0) found.phase = 'ready';
    return found ?? null;
  }

  async applyAccess(id: string, access: ClusterAccess) {
    await this.before('applyAccess');
    const found = this.clusters.get(id);
    if (found?.phase !== 'ready') throw new EngineError('not_ready', 'The cluster cannot take it.');
    if (access.revision === found.accessRevision && !isDeepStrictEqual(access, found.access))
      throw new EngineError('conflict', `Revision ${access.revision} has another content.`);
    if (access.revision <= found.accessRevision) return;
    this.counts.applied++;
    Object.assign(found, { access, accessRevision: access.revision });
  }

  async closeSessions(id: string, who: SessionOwners) {
    await this.before('closeSessions');
    this.closed.push({ id, ...who });
  }

  /** What `restoreWindow` answers for isolated clusters. */
  window: RestoreWindow = { earliest: null, latest: null, formerMajors: [] };

  async restoreWindow(id: string) {
    await this.before('restoreWindow');
    return this.clusters.get(id)?.spec.tenancy === 'shared' ? null : this.window;
  }

  /** What `storedBackup` answers. */
  stored: StoredBackup | null = null;

  async storedBackup() {
    await this.before('storedBackup');
    return this.stored;
  }

  /** What `storedDatabase` answers, by name. */
  readonly storedDatabases = new Map<string, StoredDatabase>();

  async storedDatabase(name: string) {
    await this.before('storedDatabase');
    return this.storedDatabases.get(name) ?? null;
  }

  /** The dumps that databases were made of. */
  readonly filled = new Map<string, DumpName>();

  async fillDatabase(_id: string, database: string, dump: DumpName) {
    await this.before('fillDatabase');
    this.filled.set(database, dump);
    return true;
  }

  readonly backupsOf = new Map<string, DatabaseBackup[]>();
  /** What is wrong with every backup that is proven; null: nothing. */
  backupFailure: string | null = null;

  async backUpDatabase(id: string, database: string, name: string) {
    await this.before('backUpDatabase');
    const all = await this.backups(id, database);
    const found = all.find((backup) => backup.name === name);
    if (found) return found;
    const takenAt = new Date().toISOString();
    const made = { name, takenAt, seconds: 1.5, bytes: 4711, tables: 2, rows: 30, proof: null };
    this.backupsOf.set(`${id}/${database}`, [...all, made]);
    return made;
  }

  async proveBackup(id: string, database: string, name: string) {
    await this.before('proveBackup');
    const all = await this.backups(id, database);
    const found = all.find((backup) => backup.name === name);
    if (!found) throw new EngineError('not_found', `There is no backup "${name}".`);
    const checked = { tables: 2, rows: 30, objects: 5, indexes: 1 };
    const proof = { at: new Date().toISOString(), seconds: 2.5, failure: this.backupFailure, checked };
    const proven = { ...found, proof };
    this.backupsOf.set(
      `${id}/${database}`,
      all.map((backup) => (backup.name === name ? proven : backup)),
    );
    return proven;
  }

  async backups(id: string, database: string) {
    return this.backupsOf.get(`${id}/${database}`) ?? [];
  }

  async readBackup(): Promise<AsyncIterable<Buffer>> {
    throw new EngineError('not_found', 'Nothing is kept.');
  }

  /** How often a copy of a database is asked for before it is there; what it throws when that is set. */
  looksUntilCopied = 1;
  copyFailure: EngineError | null = null;
  readonly copied: string[] = [];

  async copyDatabase(id: string, database: string, from: { clusterId: string; backup: string }) {
    await this.before('copyDatabase');
    if (this.copyFailure) throw this.copyFailure;
    const source = this.clusters.get(from.clusterId)?.access?.databases.find(({ name }) => name === database);
    const target = this.clusters.get(id)?.access?.databases.find(({ name }) => name === database);
    if (!source?.restricted || !target || target.restricted) throw new EngineError('not_ready', 'It is not closed.');
    if (!this.backupsOf.get(`${from.clusterId}/${database}`)?.some(({ name }) => name === from.backup))
      throw new EngineError('not_found', 'There is no such backup.');
    if (this.looksUntilCopied-- > 0) return false;
    this.copied.push(`${from.clusterId} ${id} ${database}`);
    return true;
  }

  async dropBackup(id: string, database: string, name: string) {
    await this.before('dropBackup');
    const left = (await this.backups(id, database)).filter((backup) => backup.name !== name);
    this.backupsOf.set(`${id}/${database}`, left);
  }

  /** What `findChanges` answers, one after the other; the last one again and again. */
  searches: ChangeSearch[] = [{ state: 'reading', segments: { read: 0, total: 0 } }];
  readonly searched: { id: string; database: string; query: ChangeQuery }[] = [];

  async findChanges(id: string, database: string, query: ChangeQuery) {
    await this.before('findChanges');
    this.searched.push({ id, database, query });
    return this.searches.length > 1 ? this.searches.shift()! : this.searches[0]!;
  }

  /** What `upgradeMinor` answers, one after the other; the last one again and again. */
  upgrades: MinorUpgrade[] = [{ state: 'running', from: '16.3', to: '16.4', sentence: 'Fetching PostgreSQL 16.4' }];
  readonly upgraded: ({ id: string } & MinorUpgradeRequest)[] = [];

  async upgradeMinor(id: string, wanted: MinorUpgradeRequest) {
    await this.before('upgradeMinor');
    this.upgraded.push({ id, ...wanted });
    return this.upgrades.length > 1 ? this.upgrades.shift()! : this.upgrades[0]!;
  }

  /** What the three calls for major upgrades answer, one after the other; the last one again and again. */
  majorUpgrades: MajorUpgrade[] = [
    { state: 'running', stage: 'rehearsing', from: '16.4', to: '17.4', sentence: 'Reading a copy of the data' },
  ];
  readonly majorAsked: ({ id: string } & (MajorUpgradeRequest | MajorRevertRequest | { request: string }))[] = [];

  async upgradeMajor(id: string, wanted: MajorUpgradeRequest) {
    await this.before('upgradeMajor');
    return this.#majorAnswer({ id, ...wanted });
  }

  async cancelMajorUpgrade(id: string, request: string) {
    await this.before('cancelMajorUpgrade');
    return this.#majorAnswer({ id, request });
  }

  async revertMajorUpgrade(id: string, wanted: MajorRevertRequest) {
    await this.before('revertMajorUpgrade');
    return this.#majorAnswer({ id, ...wanted });
  }

  #majorAnswer(asked: FakeEngine['majorAsked'][number]): MajorUpgrade {
    this.majorAsked.push(asked);
    const answer = this.majorUpgrades.length > 1 ? this.majorUpgrades.shift()! : this.majorUpgrades[0]!;
    const found = this.clusters.get(asked.id);
    const major = answer.to.split('.')[0] as PostgresMajor;
    if (found && answer.state === 'done') Object.assign(found, { version: answer.to, spec: { ...found.spec, major } });
    return answer;
  }

  /** What `storedCluster` finds, by name. */
  readonly storedClusters = new Map<string, StoredCluster>();

  async storedCluster(name: string) {
    await this.before('storedCluster');
    return this.storedClusters.get(name) ?? null;
  }

  async usage(id: string): Promise<Record<string, number>> {
    await this.before('usage');
    const names = this.clusters.get(id)?.access?.databases.map((database) => database.name) ?? [];
    return Object.fromEntries(names.map((name) => [name, this.sizes.get(name) ?? 7_654_321]));
  }

  /** Bytes that databases take, by name; a few megabytes when not set. */
  readonly sizes = new Map<string, number>();
  /** What `credentialUse` tells of any cluster. */
  use: CredentialUse = { tunnels: [], sessions: [] };
  free = {
    totalBytes: 100 * 2 ** 30,
    freeBytes: 50 * 2 ** 30,
    dataAtRest: { encryption: 'AES-256-XTS (LUKS)' as string | null, copyOnWrite: true },
  };
  readonly extensionsOf = new Map<string, InstalledExtension[]>();
  readonly dropped: string[] = [];

  async upgradeGateway(id: string) {
    await this.before('upgradeGateway');
    if (!this.clusters.has(id)) throw new EngineError('not_ready', `There is no cluster "${id}".`);
    this.gatewaysUpgraded.push(id);
    return { draining: [{ tunnels: 1, until: '2030-01-01T00:00:00.000Z' }] };
  }

  async credentialUse(_id: string) {
    await this.before('credentialUse');
    return this.use;
  }

  async capacity() {
    await this.before('capacity');
    return this.free;
  }

  async extensions(id: string, database: string) {
    await this.before('extensions');
    const available = [
      { name: 'cube', version: '1.5', requires: [] },
      { name: 'earthdistance', version: '1.2', requires: ['cube'] },
    ];
    return { available, installed: this.extensionsOf.get(`${id}/${database}`) ?? [] };
  }

  async installExtension(id: string, database: string, name: string) {
    await this.before('installExtension');
    const { available, installed } = await this.extensions(id, database);
    const found = available.find((extension) => extension.name === name);
    if (!found) throw new EngineError('unsupported', `There is no extension "${name}".`);
    if (installed.some((extension) => extension.name === name)) throw new EngineError('exists', 'It is installed.');
    const missing = found.requires.filter((other) => !installed.some((extension) => extension.name === other));
    if (missing.length > 0) throw new EngineError('dependencies', 'It needs others first.', { details: missing });
    const made = { name, schema: name, version: found.version };
    this.extensionsOf.set(`${id}/${database}`, [...installed, made]);
    return made;
  }

  async removeExtension(id: string, database: string, name: string) {
    await this.before('removeExtension');
    const { installed } = await this.extensions(id, database);
    const left = installed.filter((extension) => extension.name !== name);
    if (left.length === installed.length) throw new EngineError('not_found', 'It is not installed.');
    if (name === 'cube' && left.some((extension) => extension.name === 'earthdistance'))
      throw new EngineError('dependents', 'Others need it.', { details: ['earthdistance'] });
    this.extensionsOf.set(`${id}/${database}`, left);
  }

  async dropDatabase(id: string, name: string) {
    await this.before('dropDatabase');
    this.dropped.push(`${id}/${name}`);
  }

  async destroyCluster(id: string) {
    await this.before('destroyCluster');
    if (this.clusters.delete(id)) this.counts.destroyed++;
  }

  async events(cursor: string | null, _waitSeconds: number) {
    await this.before('events');
    const from = cursor === null ? 0 : Number(cursor);
    return { events: this.log.slice(from), cursor: this.log.length > 0 ? String(this.log.length) : cursor };
  }

  async caCertificate() {
    return '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  }

  /** The access document of the only cluster. */
  get access(): ClusterAccess {
    const [cluster] = this.clusters.values();
    if (!cluster?.access) throw new Error('no access document was applied');
    return cluster.access;
  }
}

/** True when the gateway would take this password for the role. */
export function passwordFits(engine: FakeEngine, username: string, password: string): boolean {
  const role = engine.access.roles.find((candidate) => candidate.name === username);
  return (role?.verifiers ?? []).some((text) => {
    const { salt, iterations, storedKey } = parseVerifier(text);
    const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
    const clientKey = createHmac('sha256', salted).update('Client Key').digest();
    return createHash('sha256').update(clientKey).digest().equals(storedKey);
  });
}
