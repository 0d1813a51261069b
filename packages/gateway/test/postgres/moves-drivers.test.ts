import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { languages } from '../../../../test/support/languages.js';
import { type RealPostgres, realPostgres } from '../../src/postgres/testing/real-postgres.js';
import { expected, matrix } from '../drivers/matrix.js';
import { DriverProgram } from '../drivers/program.js';
import { admin, type House, openHouse, PASSWORDS, until } from './support.js';

/** Compilers, too, are slow on a loaded machine. */
const MINUTES = 10 * 60_000;

const full = process.env.BOREALIS_TEST === 'full';

/** What the cases of the programs are in the matrix: how its row begins. */
const ROWS: Record<string, string> = {
  settings: 'Settings by `SET`',
  'custom settings': 'Custom settings (',
  'computed custom settings': 'Custom settings whose name is computed',
  'client encoding': '`client_encoding`',
  role: 'Role (',
  'statements prepared by the driver': 'Prepared statements,',
  'statements prepared by SQL': 'Prepared statements,',
  'unnamed statement': 'The unnamed prepared statement',
  listen: '`LISTEN`',
  'advisory locks': 'Session advisory locks',
  lastval: '`lastval()`',
  currval: '`currval()`',
  'temporary table': 'Temporary tables',
  cursor: 'Cursors `WITH HOLD`',
  transaction: 'An open transaction',
  'running statement': 'A statement that runs',
  'copy in': 'A statement that runs',
  'copy out': 'A statement that runs',
  pipeline: 'Requests that a client has sent ahead',
  cancel: 'The key for cancel requests',
};

/** `tells`: what the driver passes on of 57P01. */
const DRIVERS = [
  {
    driver: 'psycopg',
    language: languages.Python,
    file: 'psycopg.py',
    tells: 'terminating connection due to administrator command',
  },
  { driver: 'pgjdbc', language: languages.Java, file: 'pgjdbc.java', tells: '57P01' },
  {
    driver: 'lib/pq',
    language: languages.Go,
    file: 'libpq.go',
    tells: '(bad connection|connection reset by peer|broken pipe)',
  },
];

const SCHEMA = `CREATE TABLE counted (id serial); CREATE TABLE written (n int); CREATE TABLE copied (n int);
  CREATE TABLE batched (batch int, n int);
  CREATE ROLE clerk; GRANT clerk TO app_rw_alpha; GRANT ALL ON ALL TABLES IN SCHEMA public TO app_rw_alpha;
  GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app_rw_alpha`;

const rowOf = (name: string) => {
  const rows = matrix().filter(({ state }) => state.startsWith(ROWS[name]!));
  if (rows.length !== 1) throw new Error(`${rows.length} rows of the matrix are about "${name}"`);
  return rows[0]!;
};

describe('sessions of real drivers, moved to another server and back', () => {
  let house: House;
  /** The one that is there, and the one that takes over next. */
  let servers: [RealPostgres, RealPostgres];
  let generation: number;
  let port: number;

  beforeAll(async () => {
    if (!full) return;
    house = await openHouse();
    servers = [house.postgres, await realPostgres()];
    generation = house.config.generation;
    await servers[1].stop('fast');
    const boss = await admin(house.postgres, 'alpha');
    await boss.query(SCHEMA);
    await boss.end();
    port = (await house.door('alpha')).port;
  });
  afterAll(async () => {
    await house?.close();
    for (const server of servers ?? []) await server.remove();
  });
  afterEach(async () => {
    house?.front.closeSessions(Object.keys(PASSWORDS), []);
    await until(() => !house || house.front.sessions === 0, 'no session is left');
  });

  /** Moves all sessions, while the program does its part in each stage. */
  async function move(program: DriverProgram) {
    const { front, config } = house;
    const [from, to] = servers;
    expect(await program.tell('begin')).toEqual({});
    empty(to.dataDirectory);
    const [held, finished] = await Promise.all([front.hold(60, 'close'), program.tell('finish')]);
    expect(finished).toEqual({});
    await from.stop('fast');
    execFileSync('cp', ['-a', `${from.dataDirectory}/.`, to.dataDirectory]);
    expect(await program.tell('ask')).toEqual({});
    await to.start();
    servers = [to, from];
    const primary = { socketDirectory: to.socketDirectory, port: to.port };
    const moved = await front.resume({ ...config, primary, generation: ++generation });
    const lost = held.held - moved.kept;
    return { lost, closed: { ...held.closed, ...moved.closed }, found: await program.tell('check') };
  }

  describe.each(DRIVERS)('$driver', ({ driver, language, file, tells }) => {
    test.skipIf(!full || !language.installed())(
      `finds what docs/reference/sessions.md says, three times (full, needs ${language.needs})`,
      async () => {
        const program = DriverProgram.start(language, file, {
          PGHOST: '127.0.0.1',
          PGPORT: String(port),
          PGUSER: 'app_rw_alpha',
          PGPASSWORD: PASSWORDS.app_rw_alpha!,
          PGDATABASE: 'alpha',
          PGSSLMODE: 'require',
          PGSSLCERT: '/nonexistent',
        });
        try {
          expect(await program.tell('open')).toEqual({});
          for (let round = 0; round < 3; round++) {
            const { lost, closed, found } = await move(program);
            expect(found).toEqual(wanted(Object.keys(found), tells));
            expect(lost).toBe(0);
            expect(closed).toEqual(ends(Object.keys(found)));
            if (round === 0)
              expect(shownWith(driver)).toEqual(new Set(Object.keys(found).map((name) => rowOf(name).state)));
          }
        } finally {
          await program.stop();
        }
      },
      MINUTES,
    );
  });
});

function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}

/** What the matrix says that these cases find. */
function wanted(cases: string[], tells: string): Record<string, unknown> {
  const word = (name: string) => {
    const { found } = expected(rowOf(name));
    return found === 'ended' ? expect.stringMatching(new RegExp(`^ended: .*${tells}`)) : found;
  };
  return Object.fromEntries(cases.map((name) => [name, word(name)]));
}

/** How many sessions of these cases the gateway counts as closed, by the kinds of the matrix. */
function ends(cases: string[]): Record<string, number> {
  const kinds = cases.flatMap((name) => expected(rowOf(name)).kind ?? []);
  return Object.fromEntries(kinds.map((kind) => [kind, kinds.filter((other) => other === kind).length]));
}

/** The rows of the matrix that name the driver. */
const shownWith = (driver: string) =>
  new Set(
    matrix()
      .filter(({ drivers }) => drivers.includes(driver))
      .map(({ state }) => state),
  );
