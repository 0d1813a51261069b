import { until } from './run.mjs';
import { connectThrough, openTunnel } from './tunnel.mjs';

export const WRITERS = 8;
/** The gateway takes 64 channels in a connection. */
const SESSIONS_PER_TUNNEL = 50;
/** Each promotion begins another timeline, so that a row tells which server has written it. */
const INSERT = `insert into moved values ($1) returning
  pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) as timeline`;
/** A writer that waits longer than this fails. */
const LONGEST_MS = 60_000;

async function insert(client) {
  const { rows } = await client.query(INSERT, [Date.now()]);
  return { timeline: rows[0].timeline, at: performance.now() };
}

/** Sessions through tunnels: writers, and those that only stand there with some state. */
export class Sessions {
  #endpoint;
  #tunnels = [];
  #idle = [];

  static async open(endpoint, cleanup) {
    const sessions = new Sessions();
    sessions.#endpoint = endpoint;
    cleanup.add('The tunnels', () => sessions.close());
    const client = await sessions.#connect(0);
    await client.query('create table if not exists moved (n bigint)');
    await client.end();
    return sessions;
  }

  async #connect(tunnel) {
    this.#tunnels[tunnel] ??= await openTunnel(this.#endpoint);
    return connectThrough(this.#endpoint, this.#tunnels[tunnel]);
  }

  /** Makes the idle sessions so many, each with settings and prepared statements. */
  async addIdle(count) {
    while (this.#idle.length < count) {
      const client = await this.#connect(1 + Math.floor(this.#idle.length / SESSIONS_PER_TUNNEL));
      await client.query(`set work_mem = '5MB'; set app.tenant = '7'; set timezone = 'Asia/Tokyo'`);
      for (let n = 0; n < 5; n++)
        await client.query({ name: `s${n}`, text: `select $1::int + ${n} as sum`, values: [n] });
      this.#idle.push(client);
    }
  }

  /** Asks every idle session for its state; replaces those that were ended, and gives their number. */
  async mendIdle(count) {
    const answers = await Promise.all(
      this.#idle.map((client) =>
        client.query({ name: 's1', values: [41], text: 'select $1::int + 1 as sum' }).then(
          ({ rows }) => rows[0].sum === 42,
          () => false,
        ),
      ),
    );
    const lost = this.#idle.filter((_, at) => !answers[at]);
    this.#idle = this.#idle.filter((_, at) => answers[at]);
    for (const client of lost) await client.end().catch(() => {});
    await this.addIdle(count);
    return lost.length;
  }

  /**
   * Has writers at work while `work` is done, from when each has written and until each has written after its end. Of each: the longest
   * time from one acknowledged row to the next in milliseconds, whether a session of it was ended, and when the first row of another
   * server than at the beginning was acknowledged (by `performance.now()`; null where there was none).
   */
  async during(work) {
    const state = { begun: 0, done: false };
    const written = Promise.all(Array.from({ length: WRITERS }, () => this.#write(state)));
    written.catch(() => {});
    await until('the writers', () => state.begun === WRITERS);
    try {
      await work();
    } finally {
      state.done = true;
    }
    return written;
  }

  /** Writes a row after the other; a session that is ended is opened anew, which counts as waiting. */
  async #write(state) {
    const report = { longest: 0, broken: false, otherServerAt: null };
    let client = await this.#connect(0);
    const { timeline, at } = await insert(client);
    let last = at;
    state.begun += 1;
    for (let isLast = false; !isLast; ) {
      const mayEnd = state.done;
      try {
        client ??= await this.#connect(0);
        const row = await insert(client);
        report.longest = Math.max(report.longest, row.at - last);
        last = row.at;
        if (row.timeline !== timeline) report.otherServerAt ??= row.at;
        isLast = mayEnd;
      } catch (error) {
        report.broken = true;
        if (performance.now() - last > LONGEST_MS) throw error;
        await client?.end().catch(() => {});
        client = null;
      }
    }
    await client.end();
    return report;
  }

  async close() {
    for (const client of this.#idle.splice(0)) await client.end().catch(() => {});
    for (const tunnel of this.#tunnels.splice(0)) await tunnel?.close();
  }
}
