import { temporaryServer } from '@borealis/postgres/testing';
import pg from 'pg';
import { MAJOR } from '../peer/postgres.mjs';
import { median } from '../statistics.mjs';

const DATABASE = 'restricted';
const OWNER = 'app_rw_bench';
const READER = 'app_ro_bench';

/** Restricting a database to reading and lifting that again, and how long a reader waits at most meanwhile. */
export async function restriction({ sizes, say, cleanup }) {
  const server = await temporaryServer(MAJOR, { settings: { fsync: 'on' } });
  cleanup.add('The server of the restriction', () => server.remove());
  const apply = (restricted) => server.setAccess(access(restricted));
  await apply(false);
  await createTables(server.spec, sizes.tables);
  const figures = { restricting: [], lifting: [] };
  for (let round = 0; round < sizes.rounds; round++) {
    for (const [name, restricted] of [
      ['restricting', true],
      ['lifting', false],
    ]) {
      const figure = await underReads(server.spec, sizes.tables, () => apply(restricted));
      figures[name].push(figure);
      say(`  ${name}: ${figure.seconds.toFixed(2)} s, a reader waited ${figure.longest.toFixed(0)} ms at most`);
    }
  }
  return { alone: Object.entries(figures).flatMap(([name, rounds]) => rows(name, rounds, sizes.tables)) };
}

function rows(name, rounds, tables) {
  const seconds = rounds.map((round) => round.seconds);
  const longest = rounds.map((round) => round.longest);
  const range = (values, digits) => `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`;
  return [
    {
      name: `${name} a database of ${tables} tables, each with a sequence`,
      value: median(seconds),
      unit: 's',
      detail: `n=${rounds.length}, ${range(seconds, 2)}`,
    },
    {
      name: `the longest that a reader waits during the ${name}`,
      value: median(longest),
      unit: 'ms',
      detail: `n=${rounds.length}, ${range(longest, 0)}`,
    },
  ];
}

function access(restricted) {
  return {
    databases: [{ name: DATABASE, owner: OWNER, restricted }],
    roles: [OWNER, READER].map((name) => ({ name, database: DATABASE })),
    backendPassword: null,
  };
}

async function logIn({ socketDirectory, port }, user) {
  const client = new pg.Client({ host: socketDirectory, port, user, database: DATABASE });
  await client.connect();
  return client;
}

async function createTables(spec, tables) {
  const client = await logIn(spec, OWNER);
  for (let n = 0; n < tables; n++) {
    await client.query(`create table t${n} (id serial primary key, v text); insert into t${n} (v) values ('one')`);
  }
  await client.end();
}

/** Runs `work` while a reader goes over all tables; gives its seconds and the reader's longest query in milliseconds. */
async function underReads(spec, tables, work) {
  const client = await logIn(spec, READER);
  let done = false;
  let longest = 0;
  const reading = (async () => {
    for (let n = 0; !done; n = (n + 1) % tables) {
      const start = performance.now();
      await client.query(`select count(*) from t${n}`);
      longest = Math.max(longest, performance.now() - start);
    }
  })();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  done = true;
  await reading;
  await client.end();
  return { seconds, longest };
}
