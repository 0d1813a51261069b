import { type EventType, formatEvent, frameLogLines, Secret } from '@borealis/contract';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import { type Addon, findAddon, logInputUrlPlace } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import type { Metrics } from '../metrics.js';
import type { OauthGrants } from '../platform/oauth-grants.js';
import type { PlatformApi } from '../platform/platform-api.js';
import type { Vault } from '../vault.js';

interface Parts {
  db: ControlDatabase;
  vault: Vault;
  grants: OauthGrants;
  platform: PlatformApi;
  metrics: Metrics;
  log: Logger;
}

const BATCH = 100;
/** Add-ons that are tried at the same time: after an outage all of them have lines waiting. */
const AT_ONCE = 16;
const TIMEOUT_MS = 10_000;
/** A line that could not be delivered for this long interests nobody in a log any more; the audit trail keeps it. */
const GIVE_UP_HOURS = 24;

/** Delivers what happened to the logs of the apps: in order per add-on, at least once; one that cannot be reached takes a place for seconds and then backs off. */
export class LogDelivery {
  readonly #running = new Map<string, Promise<void>>();

  constructor(private readonly parts: Parts) {}

  /** Starts tries for add-ons that have lines waiting and are not backing off, as many as may run at the same time. */
  async start(): Promise<void> {
    await this.#dropOld();
    for (const id of await this.#due()) {
      if (this.#running.size >= AT_ONCE) return;
      if (this.#running.has(id)) continue;
      const run = this.#deliverTo(id).finally(() => this.#running.delete(id));
      this.#running.set(id, run);
    }
  }

  /** Resolves when every try that was started has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #dropOld(): Promise<void> {
    const { metrics, db } = this.parts;
    const dropped = await db.sql
      .updateTable('event')
      .set({ delivery: 'dropped' })
      .where('delivery', '=', 'pending')
      .where('at', '<', sql<Date>`now() - ${GIVE_UP_HOURS} * interval '1 hour'`)
      .executeTakeFirst();
    metrics.logLines.inc({ outcome: 'dropped' }, Number(dropped.numUpdatedRows));
  }

  async #due(): Promise<string[]> {
    const rows = await this.parts.db.sql
      .selectFrom('event')
      .innerJoin('addon', 'addon.id', 'event.addon_id')
      .leftJoin('log_delivery', 'log_delivery.addon_id', 'event.addon_id')
      .select('addon.id')
      .distinct()
      .where('event.delivery', '=', 'pending')
      .where((e) => e.or([e('not_before', 'is', null), e('not_before', '<=', sql<Date>`now()`)]))
      .execute();
    return rows.map((row) => row.id);
  }

  async #deliverTo(id: string): Promise<void> {
    try {
      for (let more = true; more; ) more = await this.#deliverBatch(id);
    } catch (error) {
      // The address holds a password and errors of `fetch` may hold the address: only the kind of trouble is logged.
      this.parts.log.warn({ addon: id, reason: reasonOf(error) }, 'the log of an app cannot be reached');
      this.parts.metrics.logLines.inc({ outcome: 'refused' });
      await this.#backOff(id).catch((err: unknown) => this.parts.log.error({ err }, 'a pause cannot be written down'));
    }
  }

  /** True when a full batch was delivered, so that more may wait. */
  async #deliverBatch(id: string): Promise<boolean> {
    const { db, metrics } = this.parts;
    const addon = await findAddon(db, id);
    const events = await db.sql
      .selectFrom('event')
      .select(['id', 'at', 'type', 'attributes'])
      .where('addon_id', '=', id)
      .where('delivery', '=', 'pending')
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (!addon || events.length === 0) return false;
    const lines = events.map(({ at, type, attributes }) => ({
      at,
      message: formatEvent(addon.name, type as EventType, attributes),
    }));
    await this.#send(addon, frameLogLines(lines), lines.length);
    await this.#markDelivered(
      id,
      events.map((event) => event.id),
    );
    metrics.logLines.inc({ outcome: 'delivered' }, lines.length);
    return events.length === BATCH;
  }

  async #send(addon: Addon, body: Buffer, count: number): Promise<void> {
    const known = addon.log_input_url && this.parts.vault.open(addon.log_input_url, logInputUrlPlace(addon.id));
    const first = known ? await post(known, body, count).catch(asUnreachable) : new Refused(404);
    if (first === null) return;
    if (first instanceof Refused && first.status >= 500) throw first;
    // The platform can change the address, or have moved itself: ask for the present one and try that.
    const present = await this.#readAddress(addon.id);
    if (!present || present.reveal() === known?.reveal()) throw first;
    const second = await post(present, body, count);
    if (second) throw second;
  }

  async #readAddress(id: string): Promise<Secret | null> {
    const { db, vault, grants, platform } = this.parts;
    const { log_input_url } = await grants.call(id, (token) => platform.addon(token, id));
    if (!log_input_url) return null;
    const url = new Secret(log_input_url);
    await db.sql
      .updateTable('addon')
      .set({ log_input_url: vault.seal(url, logInputUrlPlace(id)) })
      .where('id', '=', id)
      .execute();
    return url;
  }

  async #markDelivered(id: string, eventIds: string[]): Promise<void> {
    const { sql: queries } = this.parts.db;
    await queries.updateTable('event').set({ delivery: 'delivered' }).where('id', 'in', eventIds).execute();
    await queries.deleteFrom('log_delivery').where('addon_id', '=', id).execute();
  }

  async #backOff(id: string): Promise<void> {
    await sql`
      insert into log_delivery (addon_id, tries, not_before)
      select id, 1, now() + interval '1 second' from addon where id = ${id}
      on conflict (addon_id) do update set tries = log_delivery.tries + 1,
        not_before = now() + least(300, power(2, least(log_delivery.tries, 10))) * interval '1 second'
    `.execute(this.parts.db.sql);
  }
}

class Refused extends Error {
  constructor(readonly status: number) {
    super(`answered ${status}`);
  }
}

const reasonOf = (error: unknown) => (error instanceof Refused ? error.message : (error as Error).name);

const asUnreachable = (error: unknown) => error as Error;

/** Null when the lines were taken. */
async function post(address: Secret, body: Buffer, count: number): Promise<Refused | null> {
  const url = new URL(address.reveal());
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  // `fetch` refuses addresses with a password in them; it goes into the header that it stands for.
  url.username = '';
  url.password = '';
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/logplex-1',
      'logplex-msg-count': String(count),
      'user-agent': 'borealis-isolated-postgres',
      ...(login !== ':' && { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
    },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.arrayBuffer();
  return response.ok ? null : new Refused(response.status);
}
