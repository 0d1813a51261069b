import type { Strands } from '@borealis/strands';
import { sql } from 'kysely';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ControlDatabase } from './database.js';

/** The service's Prometheus metrics, in a registry of their own. */
export class Metrics {
  readonly #registry = new Registry();
  readonly requests: Histogram<'method' | 'route' | 'status'>;
  readonly engineEvents: Counter<'type'>;
  readonly logLines: Counter<'outcome'>;

  constructor(db: ControlDatabase, strands: Strands) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.requests = new Histogram({
      name: 'borealis_http_request_duration_seconds',
      help: 'Requests answered, by route and status',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
    this.engineEvents = new Counter({
      name: 'borealis_engine_events_total',
      help: 'Events taken over from the engine',
      labelNames: ['type'],
      registers,
    });
    this.logLines = new Counter({
      name: 'borealis_log_lines_total',
      help: 'Lines for the logs of apps: delivered, refused (and tried again), or dropped',
      labelNames: ['outcome'],
      registers,
    });
    addGauges(this.#registry, db, strands);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** Gauges read the database when they are asked for, so that a restart changes nothing. */
function addGauges(registry: Registry, db: ControlDatabase, strands: Strands): void {
  const registers = [registry];
  new Gauge({
    name: 'borealis_addons',
    help: 'Add-ons by status',
    labelNames: ['status'],
    registers,
    async collect() {
      const rows = await db.sql
        .selectFrom('addon')
        .select(['status', (e) => e.fn.countAll<string>().as('count')])
        .groupBy('status')
        .execute();
      this.reset();
      for (const { status, count } of rows) this.set({ status }, Number(count));
    },
  });
  new Gauge({
    name: 'borealis_backups',
    help: 'Backups of add-ons: wanted, made, proven, or failed (found to be bad)',
    labelNames: ['state'],
    registers,
    async collect() {
      const rows = await db.sql
        .selectFrom('backup')
        .select(['state', (e) => e.fn.countAll<string>().as('count')])
        .groupBy('state')
        .execute();
      this.reset();
      for (const { state, count } of rows) this.set({ state }, Number(count));
    },
  });
  new Gauge({
    name: 'borealis_log_lines_pending',
    help: 'Lines that wait for the log of their app',
    registers,
    async collect() {
      this.set(await count(db, sql`select count(*) from event where delivery = 'pending'`));
    },
  });
  new Gauge({
    name: 'borealis_dead_grants',
    help: 'Add-ons whose authorization the platform no longer accepts',
    registers,
    async collect() {
      this.set(await count(db, sql`select count(*) from oauth_token where state = 'dead'`));
    },
  });
  new Gauge({
    name: 'borealis_parked_strands',
    help: 'Workflows that wait for the operator',
    registers,
    async collect() {
      this.set((await strands.list()).filter((strand) => strand.parked).length);
    },
  });
}

async function count(db: ControlDatabase, query: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await query.execute(db.sql);
  return Number((rows[0] as { count: string }).count);
}
