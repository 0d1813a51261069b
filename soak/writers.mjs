import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../bench/run.mjs';

const TABLES = `
  create table written (w int not null, n int not null);
  create index on written (w, n);
  create table balance (w int primary key, rows bigint not null);
  create sequence numbers`;
/** In one snapshot. What is written in a transaction with its balance agrees with it, always. */
const LOOK = `select w, string_agg(n::text, ',') as rows, count(*)::int as count,
    (select rows::int from balance where balance.w = written.w) as balance
  from written group by w`;
const PAUSE_MS = 2;
const AFTER_FAILURE_MS = 20;

/**
 * Sessions that write one row after the other, as pgbench does: every other one with a prepared statement alone, the others in a transaction with
 * a balance. One that is ended opens another.
 */
export class Writers {
  /** What went wrong: `{ at, code, message }`. */
  failures = [];
  /** Longest time between two acknowledged rows of each writer since `mark`. */
  waits = [];
  #last = [];
  #isStopped = false;
  #running = [];

  constructor(cluster, ledger) {
    this.cluster = cluster;
    this.ledger = ledger;
  }

  static async start(cluster, ledger, count) {
    const first = await cluster.session('first');
    await first.query(TABLES);
    for (let writer = 1; writer < count; writer += 2) await first.query('insert into balance values ($1, 0)', [writer]);
    await first.end();
    const writers = new Writers(cluster, ledger);
    writers.#running = Array.from({ length: count }, (_, writer) => writers.#run(writer));
    return writers;
  }

  /** Begins to measure waits anew, and to collect failures. */
  mark() {
    this.waits = this.#last.map(() => 0);
    this.failures = [];
  }

  /** Resolves when each has written more. */
  async untilWriting() {
    const since = this.ledger.now();
    await until('every writer to write', () => this.#running.every((_, writer) => this.#last[writer] > since), {
      seconds: 120,
    });
  }

  async stop() {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #run(writer) {
    while (!this.#isStopped) {
      try {
        await this.#write(writer);
      } catch (error) {
        this.failures.push({ at: this.ledger.now(), writer, code: error.code ?? null, message: error.message });
        await sleep(AFTER_FAILURE_MS);
      }
    }
  }

  async #write(writer) {
    const client = await this.cluster.session(`writer ${writer}`);
    const insert = { name: 'write', text: 'insert into written values ($1, $2)' };
    const write = (row) => client.query({ ...insert, values: [writer, row] });
    try {
      while (!this.#isStopped) {
        const row = this.ledger.begin(writer);
        if (writer % 2 === 0) await write(row);
        else await inTransaction(client, writer, () => write(row));
        this.ledger.acknowledge(writer, row);
        this.#note(writer);
        await sleep(PAUSE_MS);
      }
    } finally {
      await client.end().catch(() => {});
    }
  }

  #note(writer) {
    const now = this.ledger.now();
    this.waits[writer] = Math.max(this.waits[writer] ?? 0, now - (this.#last[writer] ?? now));
    this.#last[writer] = now;
  }
}

async function inTransaction(client, writer, write) {
  await client.query('begin');
  await client.query('update balance set rows = rows + 1 where w = $1', [writer]);
  await write();
  await client.query('commit');
}

/** The rows of a node or of another cluster: numbers by writer, and a sentence for each writer whose balance disagrees. */
export async function readRows(cluster, where) {
  const rows = new Map();
  const wrong = [];
  for (const { w, rows: numbers, count, balance } of await cluster.ask(LOOK, where)) {
    rows.set(w, numbers.split(',').map(Number));
    if (w % 2 === 1 && balance !== count) wrong.push(`the balance of writer ${w} is ${balance}, with ${count} rows`);
  }
  return { rows, wrong };
}
