import { createStrands, type Strands } from '@borealis/strands';
import { pino } from 'pino';
import { AccessPublisher } from './access/access-publisher.js';
import { PersonalUsers } from './access/personal-users.js';
import { refreshDocuments } from './access/refresh.js';
import { addonStrand } from './addons/addon.strand.js';
import { AddonOverview } from './addons/addon-overview.js';
import { AddonRequests } from './addons/addon-requests.js';
import { FailoverDrill } from './addons/failover-drill.js';
import { BACKUP_POLICY } from './backups/backup-policy.js';
import { BackupRequests } from './backups/backup-requests.js';
import { BackupWatch } from './backups/backup-watch.js';
import { type ControlDatabase, openDatabase } from './database.js';
import { EngineEvents } from './events/engine-events.js';
import { EventReader } from './events/event-reader.js';
import { LogDelivery } from './events/log-delivery.js';
import { Extensions } from './extensions/extensions.js';
import { addonApi } from './http/addon-api.js';
import { type App, buildApp } from './http/app.js';
import { operatorApi } from './http/operator.js';
import { partnerApi } from './http/partner.js';
import { DataIntegrations } from './integrations/data-integrations.js';
import { type Loop, startLoop } from './loop.js';
import { MailDelivery } from './mail/mail-delivery.js';
import { Postman } from './mail/postman.js';
import { Metrics } from './metrics.js';
import { migrate } from './migrate.js';
import type { ServiceOptions } from './options.js';
import { PlanRequests } from './plans/plan-requests.js';
import { OauthGrants } from './platform/oauth-grants.js';
import { PlatformApi } from './platform/platform-api.js';
import { ChangeFinder } from './restore/change-finder.js';
import { Copies } from './restore/copies.js';
import { RotationRequests } from './rotation/requests.js';
import { ROTATION_TIMES } from './rotation/rotation-store.js';
import { CleanupWindows } from './storage/cleanup-windows.js';
import { StorageLimits } from './storage/storage-limits.js';
import { STORAGE_POLICY } from './storage/storage-policy.js';
import { StorageWatch } from './storage/storage-watch.js';
import { MAINTENANCE_POLICY } from './upgrades/maintenance-window.js';
import { MaintenanceWindows } from './upgrades/maintenance-windows.js';
import { MajorReverts } from './upgrades/major-reverts.js';
import { SharedMajorUpgrades } from './upgrades/major-shared.js';
import { majorUpgradeStrand } from './upgrades/major-upgrade.strand.js';
import { MajorUpgrades } from './upgrades/major-upgrades.js';
import { MinorUpgrades } from './upgrades/minor-upgrades.js';
import { ReleasesOverview } from './upgrades/releases-overview.js';
import { RolloutWatch } from './upgrades/rollout-watch.js';
import { checkMasterKey, Vault } from './vault.js';

/** The control plane of one installation. */
export interface Service {
  /** Where it listens; throws before `listen`. */
  readonly url: string;
  /** The HTTP server, for `inject` in tests. */
  readonly app: App;
  readonly strands: Strands;
  /** Takes requests and runs everything in the background from now on; returns the address. */
  listen(): Promise<string>;
  /** Takes no more requests, lets running work come to its next safe point, closes every connection. May be repeated. */
  stop(): Promise<void>;
}

/** Connects to the control database, brings its tables up to date and builds the service; nothing runs before `listen`. */
export async function createService(options: ServiceOptions): Promise<Service> {
  const log = options.log ?? pino({ level: 'silent' });
  const vault = new Vault(options.masterKey);
  // The message only: the error carries the whole client, its password included.
  const db = openDatabase(options.database, ({ message }) => log.warn({ message }, 'a database connection broke'));
  try {
    await migrate(db);
    await checkMasterKey(db, vault);
    return await assemble({ ...options, log }, db, vault);
  } catch (error) {
    await db.close();
    throw error;
  }
}

type Options = ServiceOptions & Required<Pick<ServiceOptions, 'log'>>;

async function assemble(options: Options, db: ControlDatabase, vault: Vault): Promise<Service> {
  const { engine, config, log } = options;
  const address = new Address(config.publicUrl);
  const platform = new PlatformApi(config.platformUrl, config.manifest.oauthClientSecret);
  const grants = new OauthGrants(db, vault, platform, log);
  const publisher = new AccessPublisher(db, engine);
  const clientAppTokenKey = vault.derive('client app token');
  const apiBaseUrl = () => address.public;
  const storagePolicy = { ...STORAGE_POLICY, ...config.storage };
  const kind = addonStrand({
    ...{ db, vault, engine, publisher, grants, platform, clientAppTokenKey, apiBaseUrl, log },
    tunnelHost: config.tunnelHost,
    rotation: config.rotation ?? ROTATION_TIMES,
    storagePolicy,
    atLabel: options.atLabel,
  });
  const upgradeKind = majorUpgradeStrand({ db, engine, log, atLabel: options.atLabel });
  const strands = createStrands(db.pool, [kind, upgradeKind], strandOptions(log));
  await strands.migrate();
  await refreshDocuments(db, strands);
  const metrics = new Metrics(db, strands);
  const events = new EventReader(db);
  const isHealthy = async () => (await db.pool.query('select 1')).rowCount === 1;
  const app = await buildApp({ log, metrics, isHealthy });
  const requests = new AddonRequests({
    db,
    vault,
    engine,
    grants,
    strands,
    addonStrand: kind,
    copies: new Copies(db, engine, storagePolicy, log),
    regions: config.regions,
    log,
  });
  const rotations = new RotationRequests(db, () => strands);
  const limits = new StorageLimits(db, () => strands, storagePolicy);
  const backups = new BackupWatch({ db, engine, policy: { ...BACKUP_POLICY, ...config.backups }, log });
  const maintenance = { ...MAINTENANCE_POLICY, ...config.maintenance };
  const requested = new BackupRequests(db, () => backups.wake());
  await app.register(
    partnerApi(requests, new PlanRequests({ db, engine, strands, policy: storagePolicy, log }), config),
  );
  await app.register(
    addonApi({
      ...{ db, engine, platform, rotations, limits },
      cleanupWindows: new CleanupWindows(db, () => strands, publisher, storagePolicy),
      personalUsers: new PersonalUsers(db, engine, publisher, () => strands),
      integrations: new DataIntegrations(db, engine, publisher, () => strands),
      extensions: new Extensions(db, engine, () => strands),
      backups: requested,
      majorUpgrades: new MajorUpgrades({ db, engine, strands, strand: upgradeKind, log }),
    }),
  );
  const token = config.operatorToken;
  if (token) {
    await app.register(
      operatorApi({
        db,
        engine,
        token,
        strands,
        rotations,
        backups: requested,
        overview: new AddonOverview(db, strands, engine),
        events,
        metrics,
        changes: new ChangeFinder(db, engine),
        upgrades: {
          minor: new MinorUpgrades(db, engine),
          reverts: new MajorReverts({ db, strands, strand: upgradeKind }),
          shared: new SharedMajorUpgrades({ db, engine, strands, strand: upgradeKind }),
        },
        releases: new ReleasesOverview(db, engine, maintenance),
        windows: new MaintenanceWindows(db, maintenance),
        drill: new FailoverDrill(db, engine),
      }),
    );
  }
  await app.ready();
  const delivery = new LogDelivery({ db, vault, grants, platform, metrics, log });
  const postman = config.smtpUrl ? new Postman(config.smtpUrl, config.mailFrom ?? MAIL_FROM) : null;
  const mails = new MailDelivery({ db, grants, platform, postman, log });
  const storage = new StorageWatch({ db, engine, limits, log });
  const rollouts = new RolloutWatch({ db, engine, policy: maintenance, log });
  return running({ options, db, app, strands, metrics, events, delivery, mails, storage, backups, rollouts, address });
}

const MAIL_FROM = 'Borealis Isolated Postgres <borealis@localhost>';

function strandOptions(log: Options['log']) {
  return {
    // After a crash its labels wait this long; a heartbeat every two seconds keeps it while the process lives.
    leaseSeconds: 6,
    onAlert: (alert: object) => log.error({ alarm: 'strand', ...alert }, 'a workflow needs the operator'),
    log: (level: 'info' | 'warn' | 'error', message: string, fields: object) => log[level](fields, message),
  };
}

class Address {
  listening: string | undefined;

  constructor(private readonly configured: string | undefined) {}

  /** Where others reach the service. */
  get public(): string {
    return this.configured ?? this.local;
  }

  get local(): string {
    if (!this.listening) throw new Error('The service does not listen yet.');
    return this.listening;
  }
}

interface Running {
  options: Options;
  db: ControlDatabase;
  app: App;
  strands: Strands;
  metrics: Metrics;
  events: EventReader;
  delivery: LogDelivery;
  mails: MailDelivery;
  storage: StorageWatch;
  backups: BackupWatch;
  rollouts: RolloutWatch;
  address: Address;
}

const DELIVERY_PAUSE_MS = 1_000;
const MAIL_PAUSE_MS = 2_000;
/** How long running requests may take to be answered once the service is told to stop. */
const CLOSE_GRACE_MS = 2_000;

function running(parts: Running): Service {
  const { options, db, app, strands, metrics, events, delivery, mails, storage, backups, rollouts, address } = parts;
  const { engine, config, log } = options;
  let loops: Loop[] = [];
  const startLoops = () => {
    const deliveries = startLoop('delivering to logs', log, async () => {
      await delivery.start();
      return DELIVERY_PAUSE_MS;
    });
    const intake = new EngineEvents(db, engine, strands, ({ type }) => {
      metrics.engineEvents.inc({ type });
      deliveries.wake();
    });
    const taking = startLoop('taking events over', log, async (stopping) => {
      const taken = await intake.take(stopping);
      return taken > 0 ? 0 : 200;
    });
    const sending = startLoop('sending e-mails', log, async (stopping) => {
      await mails.run(stopping);
      return MAIL_PAUSE_MS;
    });
    const watching = startLoop('watching the storage', log, () => storage.turn());
    const backingUp = startLoop('making backups', log, (stopping) => backups.turn(stopping));
    backups.onWake = () => backingUp.wake();
    const upgrading = startLoop('rolling minor releases out', log, (stopping) => rollouts.turn(stopping));
    loops = [deliveries, taking, sending, watching, backingUp, upgrading];
  };
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    events.stop();
    // A connection on which nothing was asked yet counts as busy, and would hold the end up for a minute.
    const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
    await app.close();
    clearTimeout(cut);
    await strands.stop();
    await Promise.all(loops.map((loop) => loop.stop()));
    await delivery.settled();
    await db.close();
  };
  return {
    get url() {
      return address.local;
    },
    app,
    strands,
    listen: async () => {
      address.listening = await app.listen({ host: config.host, port: config.port });
      strands.start();
      startLoops();
      return address.local;
    },
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}
