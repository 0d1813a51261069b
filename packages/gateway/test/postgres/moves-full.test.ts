import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, clientOptions, connected, type House, openHouse, until } from './support.js';

const full = process.env.BOREALIS_TEST === 'full';

let house: House;
let port: number;
beforeAll(async () => {
  if (!full) return;
  house = await openHouse();
  port = (await house.door('alpha')).port;
});
afterAll(() => house?.close());

async function restart() {
  await house.front.hold(20, 'abort');
  await house.postgres.stop('fast');
  await house.postgres.start();
  return house.front.resume(house.config);
}

/** Listens for rows of all; `work` writes one after the other until told to stop, and remembers each that was acknowledged. */
async function writer(id: number, stopped: () => boolean) {
  const client = await connected(port);
  const [acknowledged, heard] = [[] as number[], [] as string[]];
  client.on('notification', ({ payload }) => heard.push(payload ?? ''));
  await client.query(`LISTEN rows; SET app.writer = '${id}'`);
  const work = async () => {
    for (let n = 0; !stopped(); n++) {
      const sql = `WITH said AS (SELECT pg_notify('rows', $1 || ':' || $2))
        INSERT INTO written SELECT $1::int, $2::int, current_setting('app.writer')::int FROM said`;
      await client.query({ name: 'write', text: sql, values: [String(id), String(n)] });
      acknowledged.push(n);
    }
  };
  return { client, acknowledged, heard, work };
}

test.skipIf(!full)('writers over five restarts lose no row and no notification, and see no error', async () => {
  const boss = await connected(port);
  await boss.query('CREATE TABLE written (writer int, n int, setting int)');
  let stopped = false;
  const writers = await Promise.all([0, 1, 2, 3].map((id) => writer(id, () => stopped)));
  // Only once all of them listen.
  const working = writers.map(({ work }) => work());
  for (let round = 0; round < 5; round++) {
    const before = writers.map(({ acknowledged }) => acknowledged.length);
    expect(await restart()).toEqual({ kept: 5, closed: {} });
    await until(() => writers.every(({ acknowledged }, i) => acknowledged.length > before[i]! + 5), 'all write again');
  }
  stopped = true;
  await Promise.all(working);
  const all = writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  const { rows } = await boss.query('SELECT count(*)::int AS n, count(DISTINCT (writer, n))::int AS d FROM written');
  expect(rows).toEqual([{ n: all, d: all }]);
  expect((await boss.query('SELECT 1 FROM written WHERE writer <> setting')).rows).toEqual([]);
  for (const { client, heard } of writers) {
    await until(() => heard.length >= all, 'all is heard');
    expect([new Set(heard).size, heard.length, client.errors]).toEqual([all, all, []]);
    await client.end();
  }
  await boss.end();
});

test.skipIf(!full)(
  'forty sessions that nobody resumes go on by themselves, and the server they left forgets them',
  async () => {
    const pools = Array.from({ length: 40 }, () => new pg.Client(clientOptions(port)));
    for (const client of pools) {
      await client.connect();
      await client.query({ name: 'mine', text: 'SELECT pg_backend_pid() AS pid' });
    }
    expect(await house.front.hold(20, 'abort')).toEqual({ held: 40, closed: {} });
    // The server was never stopped, and no word comes: the gateway goes on with it.
    const pids = await Promise.all(
      pools.map(async (c) => (await c.query({ name: 'mine', text: 'SELECT pg_backend_pid() AS pid' })).rows[0].pid),
    );
    expect(new Set(pids).size).toBe(40);
    const boss = await admin(house.postgres);
    await until(async () => {
      const { rows } = await boss.query(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'app_rw_alpha'`,
      );
      return rows[0].n === 40;
    }, 'the old server processes are gone');
    await boss.end();
    for (const client of pools) await client.end();
  },
);
