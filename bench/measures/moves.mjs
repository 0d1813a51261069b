import { resolve } from 'node:path';
import { offeredRelease } from '@borealis/postgres';
import { MAJOR } from '../peer/postgres.mjs';
import { run, until } from '../run.mjs';
import { median } from '../statistics.mjs';
import { connectThrough, openTunnel, prepareSsh } from '../tunnel.mjs';

const CLI = resolve(import.meta.dirname, '../../packages/borealis/dist/cli.js');
/** With room for all sessions, and with a standby. */
const PLAN = 'borealis-pg:x2-s500-p4-r16';
const WRITERS = 8;
/** The gateway takes 64 channels in a connection. */
const SESSIONS_PER_TUNNEL = 50;

const KINDS = [
  { name: 'a planned switchover', args: (name) => ['drill', 'failover', name, '--planned', '--json'] },
  { name: 'a failover, the primary killed', args: (name) => ['drill', 'failover', name, '--json'] },
  { name: 'a minor upgrade', args: (name, round) => ['upgrade-minor', name, '--to', releases()[round % 2], '--json'] },
];

/** The release before the newest one, and the newest. */
function releases() {
  const newest = offeredRelease(MAJOR).version;
  const [major, minor] = newest.split('.').map(Number);
  return [`${major}.${minor - 1}`, newest];
}

/** How long clients that write all the time wait at most while the server behind them is replaced, beside idle sessions. */
export async function moves({ sizes, say, cleanup, installation }) {
  const running = await installation();
  const database = await running.provision(PLAN);
  const endpoint = await prepareSsh(await running.endpoint(database), cleanup);
  const clients = await Clients.open(endpoint, cleanup);
  const rows = [];
  for (const idle of sizes.idleSessions) {
    await clients.addIdle(idle);
    for (const kind of KINDS) {
      const rounds = [];
      // An upgrade goes there and back, so that the next one begins with the newest release again.
      for (let round = 0; round < 2 * sizes.rounds; round++) {
        const report = await clients.during(() => order(running, kind.args(database.name, round)));
        const ends = await clients.mendIdle(idle);
        rounds.push({ ...report, ends });
        say(`  ${kind.name} beside ${idle} idle: ${report.longest.toFixed(0)} ms at most, ${ends} idle sessions ended`);
      }
      rows.push(row(kind.name, idle, rounds));
    }
  }
  await clients.close();
  return { alone: rows };
}

function row(name, idle, rounds) {
  const waits = rounds.flatMap((round) => round.waits).sort((a, b) => a - b);
  const of = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))].toFixed(0);
  const ended = rounds.reduce((sum, { ends }) => sum + ends, 0);
  const broken = rounds.reduce((sum, round) => sum + round.broken, 0);
  const detail = `n=${rounds.length}, p50 ${of(0.5)}, p99 ${of(0.99)}, max ${of(1)}; ended: ${broken} of ${WRITERS * rounds.length} writers, ${ended} of ${idle * rounds.length} idle`;
  return {
    name: `the longest wait of ${WRITERS} writers during ${name}, beside ${idle} idle sessions`,
    value: median(rounds.map(({ longest }) => longest)),
    unit: 'ms',
    detail,
  };
}

/** Gives an order as the operator does; one that cannot be followed yet is given again. */
async function order(running, args) {
  const env = { ...process.env, BOREALIS_HOME: running.home };
  let reason = '';
  await until(`borealis ${args[0]}: ${reason}`, () =>
    run(process.execPath, [CLI, ...args], { env }).catch((error) => {
      reason = error.message;
      if (!/none can take over|being replaced/.test(reason)) throw error;
      return null;
    }),
  );
}

/** Sessions through tunnels: writers, and those that only stand there with some state. */
class Clients {
  #endpoint;
  #tunnels = [];
  #idle = [];

  static async open(endpoint, cleanup) {
    const clients = new Clients();
    clients.#endpoint = endpoint;
    cleanup.add('The tunnels', () => clients.close());
    const client = await clients.#connect(0);
    await client.query('create table if not exists moved (n bigint)');
    await client.end();
    return clients;
  }

  async #connect(tunnel) {
    this.#tunnels[tunnel] ??= await openTunnel(this.#endpoint);
    return connectThrough(this.#endpoint, this.#tunnels[tunnel]);
  }

  /** Makes the idle sessions so many, each with settings and prepared statements. */
  async addIdle(count) {
    while (this.#idle.length < count) {
      const client = await this.#connect(1 + Math.floor(this.#idle.length / SESSIONS_PER_TUNNEL));
      client.once('end', () => {
        client.ended = true;
      });
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

  /** Has writers at work while `work` is done: the longest wait of each, and how many were ended. */
  async during(work) {
    let done = false;
    const writers = Array.from({ length: WRITERS }, () => this.#write(() => done));
    await new Promise((r) => setTimeout(r, 500));
    try {
      await work();
    } finally {
      await new Promise((r) => setTimeout(r, 500));
      done = true;
    }
    const results = await Promise.all(writers);
    const waits = results.map(({ longest }) => longest);
    return { waits, longest: Math.max(...waits), broken: results.filter(({ broken }) => broken).length };
  }

  /** Writes a row after the other; a session that is ended is opened anew, which counts as waiting. */
  async #write(isDone) {
    let [client, longest, broken, last] = [null, 0, false, null];
    while (!isDone()) {
      try {
        client ??= await this.#connect(0);
        await client.query('insert into moved values ($1)', [Date.now()]);
        const now = performance.now();
        if (last !== null) longest = Math.max(longest, now - last);
        last = now;
      } catch {
        broken ||= last !== null;
        await client?.end().catch(() => {});
        client = null;
      }
    }
    await client?.end();
    return { longest, broken };
  }

  async close() {
    for (const client of this.#idle.splice(0)) await client.end().catch(() => {});
    for (const tunnel of this.#tunnels.splice(0)) await tunnel?.close();
  }
}
