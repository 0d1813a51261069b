import { type Plan, type ProvisionRequest, type RestoreInitiated, Secret } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import { type Addon, findAddon, lockAddon } from '../addons/addon-store.js';
import { isProvisioned } from '../addons/readiness.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { recordEvent } from '../events/event-log.js';
import { currentUsage } from '../storage/current-usage.js';
import { formatSize } from '../storage/size.js';
import { type StoragePolicy, storageLimit } from '../storage/storage-policy.js';
import { type FoundBackup, findBackup, placeOf } from './find-backup.js';
import { parseMoment } from './moment.js';
import { insertDumpOrigin, insertOrigin, insertStoredOrigin } from './origin-store.js';
import { copiedPlans, findRestoreToken, useRestoreToken } from './restore-tokens.js';

/** What a provision request wants to become a copy of. */
export interface WantedCopy {
  token: Secret;
  source: CopySource;
  /** As `parseMoment`; null: the present. */
  moment: string | null;
}

/** What is copied: an add-on, or what an object store has of one, which then bears the name of the backup. */
export type CopySource = Pick<Addon, 'name' | 'postgres_major'> &
  ({ addon: Addon; stored: null } | { addon: null; stored: FoundBackup });

/** New add-ons that begin as a copy of another, now or at a past moment. */
export class Copies {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
    private readonly policy: StoragePolicy,
    private readonly log: Logger,
  ) {}

  /**
   * Reads the options of a provision request; null when it wants no copy. Throws `momentWithoutToken`, `restoreToken`, `copySource`,
   * and as `parseMoment`.
   */
  async find({ uuid, options }: Pick<ProvisionRequest, 'uuid' | 'options'>): Promise<WantedCopy | null> {
    const { 'restore-token': given, 'restore-to-time': time } = options ?? {};
    if (!isGiven(given)) {
      if (isGiven(time)) throw new AppError('momentWithoutToken');
      return null;
    }
    const token = new Secret(String(given));
    const { source: granted } = await findRestoreToken(this.db, token, uuid);
    const source = 'backup' in granted ? await this.#backup(granted.backup) : await this.#addon(granted.addonId);
    const moment = isGiven(time) ? parseMoment(String(time)) : null;
    return { token, source: { ...source, postgres_major: await this.#majorAt(source, moment) }, moment };
  }

  /** An add-on had a former major at a moment before its last upgrade, and so will a copy of then. */
  async #majorAt({ addon, postgres_major }: CopySource, moment: string | null): Promise<string> {
    const window = addon && moment !== null ? await this.engine.restoreWindow(addon.cluster_id) : null;
    const former = window?.formerMajors.find(({ until }) => moment! < parseMoment(until));
    return former?.major ?? postgres_major;
  }

  async #addon(id: string): Promise<CopySource> {
    const addon = copySource(await findAddon(this.db, id));
    return { name: addon.name, postgres_major: addon.postgres_major, addon, stored: null };
  }

  async #backup(name: string): Promise<CopySource> {
    const stored = await findBackup(this.engine, name);
    const { major } = 'cluster' in stored ? stored.cluster : stored.database;
    return { name, postgres_major: major, addon: null, stored };
  }

  /** Throws `copyPlanShared`, `copyPlanSmall`, `dumpMoment`, `momentInFuture`, `momentOutside` or `noMoments` for what cannot be copied as asked. */
  async check({ source, moment }: WantedCopy, plan: Plan): Promise<void> {
    const isDump = source.stored !== null && 'dump' in source.stored;
    if (plan.tenancy !== 'isolated' && !isDump)
      throw new AppError('copyPlanShared', { plan: plan.name, supported: plansFor() });
    await this.#checkSize(source, plan);
    if (isDump && moment !== null) throw new AppError('dumpMoment', { backup: source.name });
    if (moment !== null) await this.#checkMoment(source, moment);
  }

  /** Writes down, with the new add-on itself, what it is copied from, and tells the log of the source; throws as `find`. */
  async take(tx: Transaction, wanted: WantedCopy, addon: { id: string; name: string }): Promise<void> {
    const { token, moment } = wanted;
    const { source: granted, askedBy } = await useRestoreToken(tx, token, addon.id);
    const { stored } = wanted.source;
    if ('backup' in granted && stored && 'cluster' in stored)
      return insertStoredOrigin(tx, addon.id, granted.backup, stored.cluster, moment);
    if ('backup' in granted) {
      const { database, dump } = stored as Extract<FoundBackup, { dump: string }>;
      return insertDumpOrigin(tx, addon.id, placeOf(granted.backup), database, dump);
    }
    // Its removal may have begun since it was looked at.
    const source = copySource(await lockAddon(tx, granted.addonId));
    await insertOrigin(tx, addon.id, source, moment);
    const attributes: RestoreInitiated = {
      destination: addon.name,
      ...(moment !== null && { restore_to_time: moment }),
      user: askedBy,
    };
    await recordEvent(tx.sql, { addonId: source.id, type: 'db-restore-initiated', attributes });
  }

  async #checkSize(source: CopySource, plan: Plan): Promise<void> {
    const usage = source.stored
      ? storedBytes(source.stored)
      : await currentUsage({ db: this.db, engine: this.engine, log: this.log }, source.addon);
    const limit = storageLimit(plan.name, this.policy);
    if (usage <= limit) return;
    throw new AppError('copyPlanSmall', {
      ...{ plan: plan.name, addon: source.name, usage: formatSize(usage), limit: formatSize(limit) },
      supported: plansFor((other) => storageLimit(other.name, this.policy) >= usage),
    });
  }

  async #checkMoment(source: CopySource, moment: string): Promise<void> {
    const now = await this.#now();
    if (moment > now) throw new AppError('momentInFuture', { moment, now });
    const window = source.addon
      ? await this.engine.restoreWindow(source.addon.cluster_id)
      : 'cluster' in source.stored
        ? source.stored.cluster.window
        : null;
    if (!window?.earliest || !window.latest) throw new AppError('noMoments', { addon: source.name });
    const [earliest, latest] = [parseMoment(window.earliest), parseMoment(window.latest)];
    if (moment < earliest || moment > latest) throw new AppError('momentOutside', { moment, earliest, latest });
  }

  async #now(): Promise<string> {
    const now = sql<string>`to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    return (await this.db.sql.selectNoFrom(now.as('now')).executeTakeFirstOrThrow()).now;
  }
}

/** Of a dump without a note of its database's size it is at least its own. */
function storedBytes(stored: FoundBackup): number {
  if ('cluster' in stored) return stored.cluster.bytes;
  const dump = stored.database.dumps.find(({ name }) => name === stored.dump);
  return dump?.databaseBytes ?? dump?.bytes ?? 0;
}

// An empty token is a wrong one, and no wish for an empty database.
const isGiven = (option: unknown) => option !== undefined && option !== null;

function plansFor(isLargeEnough: (plan: Plan) => boolean = () => true): string {
  const names = copiedPlans()
    .filter(isLargeEnough)
    .map(({ name }) => name);
  return names.join(', ');
}

function copySource(source: Addon | null): Addon {
  const problem = problemOf(source);
  if (problem) throw new AppError('copySource', { addon: source?.name ?? 'The add-on', problem });
  return source!;
}

function problemOf(source: Addon | null): string | null {
  if (!source || source.destroy_requested_at) return 'it is being removed';
  if (!isProvisioned(source)) return 'it has not finished provisioning';
  if (source.status === 'maintenance-postgresql-major-version-upgrade')
    return 'a PostgreSQL major version upgrade of it is running';
  return null;
}
