import { readFile } from 'node:fs/promises';
import { LOCAL_PORTS, Secret } from '@borealis/contract';
import fc from 'fast-check';
import { sql } from 'kysely';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { allotLocalPorts } from '../src/addons/local-ports.js';
import { openDatabase } from '../src/database.js';
import { ERRORS } from '../src/errors.js';
import { migrate } from '../src/migrate.js';
import { OauthGrants } from '../src/platform/oauth-grants.js';
import { PlatformApi } from '../src/platform/platform-api.js';
import { createService } from '../src/service.js';
import { Vault } from '../src/vault.js';
import { CLIENT_SECRET } from './support/fake-platform.js';
import { availableAddon, MASTER_KEY, provision, provisionRequest, useService } from './support/harness.js';

const start = useService();

test('the types say what the tables are', async () => {
  const { pool } = await start();
  const source = await readFile(new URL('../src/schema.ts', import.meta.url), 'utf8');
  const tables = Object.fromEntries(
    [...source.matchAll(/^ {2}(\w+): (\w+Table);$/gm)].map(([, table, type]) => [table, declared(source, type!)]),
  );
  const { rows } = await pool.query(
    `select table_name as table, column_name as column, is_nullable = 'YES' as nullable
     from information_schema.columns where table_schema = 'public' and table_name <> 'migration'`,
  );
  const actual: Record<string, Record<string, boolean>> = {};
  for (const { table, column, nullable } of rows) actual[table] = { ...actual[table], [column]: nullable };
  expect(tables).toEqual(actual);
});

function declared(source: string, type: string): Record<string, boolean> {
  const body = new RegExp(`interface ${type} \\{\\n([^}]*)\\n\\}`).exec(source)![1]!;
  const columns = [...body.matchAll(/^ {2}(\w+): (.*);$/gm)];
  return Object.fromEntries(columns.map(([, name, columnType]) => [name!, columnType!.endsWith('| null')]));
}

test('every table has a comment', async () => {
  const { pool } = await start();
  const { rows } = await pool.query(
    `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
     and obj_description(oid) is null`,
  );
  expect(rows).toEqual([]);
});

test('migrating again and at the same time changes nothing; a newer database is refused', async () => {
  const { pool } = await start();
  const db = openDatabase(pool.options, () => {});
  try {
    await Promise.all([migrate(db), migrate(db), migrate(db)]);
    await pool.query("insert into migration (name) values ('9999_future.sql')");
    await expect(migrate(db)).rejects.toThrow(/newer version \(9999_future.sql\)/);
  } finally {
    await db.close();
  }
});

test('another master key is refused at start', async () => {
  const { pool, engine } = await start();
  const config = { host: '127.0.0.1', port: 0, platformUrl: 'http://127.0.0.1:1', tunnelHost: 'localhost' };
  const manifest = { id: 'x', password: new Secret('x'), oauthClientSecret: new Secret('x') };
  const masterKey = new Secret(Buffer.alloc(32, 8));
  const starting = createService({ database: pool.options, engine, masterKey, config: { ...config, manifest } });
  await expect(starting).rejects.toThrow(/master key is not the one/);
});

test('ports are unique over all add-ons, in their range and fixed, however many ask at once', async () => {
  const { pool } = await start();
  const db = openDatabase({ ...pool.options, password: pool.options.password, max: 10 }, () => {});
  try {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), async (count) => {
        const ids = await newAddons(count);
        const both = await Promise.all([...ids, ...ids].map((id) => db.transaction((tx) => allotLocalPorts(tx, id))));
        expect(both.slice(0, count)).toEqual(both.slice(count));
      }),
      { numRuns: 8 },
    );
    const { rows } = await pool.query('select port from local_port');
    const ports = rows.map((row) => row.port);
    expect(new Set(ports).size).toBe(ports.length);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(LOCAL_PORTS.first);
    expect(Math.max(...ports)).toBeLessThanOrEqual(LOCAL_PORTS.last);
  } finally {
    await db.close();
  }

  async function newAddons(count: number): Promise<string[]> {
    await pool.query(`insert into cluster values ('c', 'shared', '16') on conflict do nothing`);
    const { rows } = await pool.query(
      `insert into addon (id, name, plan, postgres_major, region, cluster_id, database_name)
       select gen_random_uuid(), 'n', 'p', '16', 'r', 'c', 'd' from generate_series(1, $1)
       returning id`,
      [count],
    );
    return rows.map((row) => row.id);
  }
});

test('an add-on that got only one of its ports gets the other', async () => {
  const { pool } = await start();
  const db = openDatabase({ ...pool.options, password: pool.options.password }, () => {});
  await pool.query(
    `insert into cluster values ('c', 'shared', '16');
     insert into addon (id, name, plan, postgres_major, region, cluster_id, database_name)
     values ('00000000-0000-4000-8000-000000000001', 'n', 'p', '16', 'r', 'c', 'd')`,
  );
  await pool.query(`insert into local_port values (20000, '00000000-0000-4000-8000-000000000001', 'rw')`);
  const ports = await db.transaction((tx) => allotLocalPorts(tx, '00000000-0000-4000-8000-000000000001'));
  await db.close();
  expect(ports.rw).toBe(20_000);
  expect(ports.ro).toBeGreaterThan(20_000);
});

test('when the range is used up a request is refused and leaves nothing', async () => {
  const { service, platform, pool } = await start();
  await availableAddon({ service, platform });
  await pool.query('alter table local_port drop constraint local_port_addon_id_access_key');
  await pool.query(
    `insert into local_port (port, addon_id, access)
     select port, (select id from addon limit 1), 'rw' from generate_series(20000, 32767) port on conflict do nothing`,
  );
  const answer = await provision(service, provisionRequest(platform));
  expect([answer.statusCode, answer.json().message]).toEqual([503, ERRORS.noPorts.sentence()]);
  expect((await pool.query('select from addon')).rowCount).toBe(1);
});

test('callers at the same time share one refresh', async () => {
  const { service, platform, pool } = await start();
  const { id } = await availableAddon({ service, platform });
  const db = openDatabase(pool.options, () => {});
  try {
    const api = new PlatformApi(platform.url, new Secret(CLIENT_SECRET));
    const log = pino({ level: 'silent' });
    const grants = new OauthGrants(db, new Vault(new Secret(MASTER_KEY)), api, log);
    await db.sql.updateTable('oauth_token').set({ expires_at: sql<Date>`now()` }).execute();
    platform.requests.length = 0;
    const tokens = await Promise.all(Array.from({ length: 8 }, () => grants.call(id, async (token) => token.reveal())));
    expect(new Set(tokens).size).toBe(1);
    expect(platform.requests).toEqual(['POST /oauth/token']);
  } finally {
    await db.close();
  }
});
