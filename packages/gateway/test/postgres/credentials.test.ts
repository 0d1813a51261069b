import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifierDigest } from '@borealis/contract';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { SqlFront } from '../../src/front.js';
import {
  clientOptions,
  connected,
  type House,
  hasPsql,
  NEW_PASSWORD,
  openHouse,
  PASSWORDS,
  psql,
  refusal,
  until,
} from './support.js';

const ROLE = 'app_rw_alpha';
let house: House;
let alpha: number;
let oldOne: string;
let newOne: string;

beforeAll(async () => {
  house = await openHouse();
  alpha = (await house.door('alpha')).port;
  const { verifiers } = house.config.roles.find(({ name }) => name === ROLE)!;
  [oldOne, newOne] = verifiers.map(verifierDigest) as [string, string];
});
afterEach(async () => {
  house.front.closeSessions(Object.keys(PASSWORDS), []);
  await until(() => house.front.sessions === 0, 'all sessions are gone');
});
afterAll(() => house.close());

const withNew = { password: NEW_PASSWORD };
const by = (verifier: string, count: number) => ({ role: ROLE, verifierDigest: verifier, count });
const told = (front: SqlFront) => front.sessionsByVerifier();

test('sessions are told by role and by the verifier that their password met', async () => {
  expect(told(house.front)).toEqual([]);
  const clients = [
    await connected(alpha),
    await connected(alpha, ROLE, withNew),
    await connected(alpha, ROLE, withNew),
  ];
  const other = await connected(alpha, 'app_ro_alpha');
  const reader = house.config.roles.find(({ name }) => name === 'app_ro_alpha')!.verifiers[0]!;
  const all = [
    by(oldOne, 1),
    by(newOne, 2),
    { role: 'app_ro_alpha', verifierDigest: verifierDigest(reader), count: 1 },
  ];
  expect(told(house.front)).toHaveLength(3);
  expect(told(house.front)).toEqual(expect.arrayContaining(all));
  for (const client of [...clients, other]) await client.end();
  await until(() => told(house.front).length === 0, 'they are gone');
});

test.skipIf(!hasPsql)('psql’s session is told under its password, too (needs psql)', async () => {
  const dsn = `host=127.0.0.1 port=${alpha} user=${ROLE} dbname=alpha sslmode=require`;
  const query = psql(dsn, ['-c', 'SELECT pg_sleep(600)'], NEW_PASSWORD);
  await until(() => told(house.front).length > 0, 'psql is in');
  expect(told(house.front)).toEqual([by(newOne, 1)]);
  house.front.closeSessions([], [newOne]);
  expect((await query).err).toContain('terminating connection due to administrator command');
});

test('a session keeps the verifier that let it in when the configuration has lost it', async () => {
  const other = await house.withConfig({ roles: house.config.roles });
  const { port } = await other.door('alpha');
  const client = await connected(port);
  const roles = other.config.roles.map((role) => ({ ...role, verifiers: role.verifiers.slice(-1) }));
  await other.front.reload({ ...other.config, roles });
  expect(await refusal(clientOptions(port))).toMatchObject({ code: '28P01' });
  const later = await connected(port, ROLE, withNew);
  expect(told(other.front)).toEqual([by(oldOne, 1), by(newOne, 1)]);
  await client.end();
  await until(() => told(other.front).length === 1, 'the old one is gone');
  expect(told(other.front)).toEqual([by(newOne, 1)]);
  await later.end();
});

test('closing a verifier ends its sessions with 57P01 and leaves the other password’s alone', async () => {
  const [old, fresh] = [await connected(alpha), await connected(alpha, ROLE, withNew)];
  house.front.closeSessions([], [oldOne, 'of nobody']);
  await until(() => old.errors.length > 0, 'the old one hears of it');
  expect(old.errors[0]).toMatchObject({ code: '57P01' });
  expect((await fresh.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await until(() => told(house.front).length === 1, 'the old one is gone');
  await fresh.end();
});

test('a login whose server is being reached counts, and closing its verifier ends it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bgs-'));
  const silent = createServer();
  await once(silent.listen(join(directory, '.s.PGSQL.5432')), 'listening');
  const other = await house.withConfig({
    roles: house.config.roles,
    primary: { socketDirectory: directory, port: 5432 },
  });
  const refused = refusal(clientOptions((await other.door('alpha')).port));
  await until(() => told(other.front).length > 0, 'the password is checked');
  expect(told(other.front)).toEqual([by(oldOne, 1)]);
  other.front.closeSessions([], [newOne]);
  expect(told(other.front)).toEqual([by(oldOne, 1)]);
  other.front.closeSessions([], [oldOne]);
  expect(await refused).toMatchObject({ code: '57P01' });
  expect(told(other.front)).toEqual([]);
  silent.close();
  await rm(directory, { recursive: true });
});
