import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyRoles, connect, dropDatabase } from '../src/index.js';
import { type TemporaryServer, temporaryServer } from '../src/testing.js';
import { as, logIn, majors } from './support.js';

const KEPT = { name: 'kept_db', owner: 'app_rw_kept' };
const LEAVING = { name: 'leaving_db', owner: 'app_rw_leaving' };
const ROLES = [
  { name: 'app_rw_kept', database: 'kept_db' },
  { name: 'app_rw_leaving', database: 'leaving_db' },
  { name: 'app_ro_leaving', database: 'leaving_db' },
  { name: 'p_rw_leaving', database: 'leaving_db' },
];
const BOTH = { databases: [KEPT, LEAVING], roles: ROLES, backendPassword: null };
const ONE = { ...BOTH, databases: [KEPT], roles: ROLES.slice(0, 1) };

describe.each(majors)('databases of PostgreSQL %s', (major) => {
  let server: TemporaryServer;
  const connectTo = (database: string) => connect(server.spec, database);
  const query = async (sql: string) => {
    const client = await connectTo('postgres');
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const names = async () => {
    const databases = await query(`select datname as name from pg_database where not datistemplate order by 1`);
    const roles = await query(`select rolname as name from pg_roles where rolname ~ '^(app|p|di|readers)_' order by 1`);
    return [...databases, ...roles].map(({ name }) => name);
  };
  const ALONE = ['kept_db', 'postgres', 'app_rw_kept', 'readers_kept_db'];

  beforeAll(async () => {
    server = await temporaryServer(major);
    await server.setAccess(BOTH);
  });
  afterAll(() => server.remove());

  it('are not dropped while they are wanted', async () => {
    await expect(dropDatabase(connectTo, 'leaving_db', () => BOTH)).rejects.toThrow('is wanted');
    await expect(dropDatabase(connectTo, 'postgres', () => ONE)).rejects.toThrow("cannot be a tenant's database");
    expect(await names()).toContain('leaving_db');
  });

  it('that are not wanted any more are closed, and go with their sessions, roles and groups', async () => {
    await as(server.spec, 'p_rw_leaving', 'leaving_db', 'create table t as select 1 as n; create schema s');
    const session = await logIn(server.spec, 'p_rw_leaving', 'leaving_db');
    const ended = expect(session.query('begin; lock table t; select pg_sleep(600)')).rejects.toThrow();
    expect(await applyRoles(connectTo, ONE)).toEqual({ pending: [] });
    await ended;
    await session.end().catch(() => {});
    await expect(as(server.spec, 'app_rw_leaving', 'leaving_db', 'select 1')).rejects.toThrow();
    await dropDatabase(connectTo, 'leaving_db', () => ONE);
    expect(await names()).toEqual(ALONE);
    await dropDatabase(connectTo, 'leaving_db', () => ONE);
  });

  it('are dropped to the end by another call after the first was killed on the way', async () => {
    await server.setAccess(BOTH);
    await as(server.spec, 'p_rw_leaving', 'leaving_db', 'create table t as select 1 as n');
    await applyRoles(connectTo, ONE);
    await query('drop database leaving_db with (force)');
    await dropDatabase(connectTo, 'leaving_db', () => ONE);
    expect(await names()).toEqual(ALONE);
  });

  it('are made anew when they are wanted again, and left alone when they are applied already', async () => {
    const applied = new Map<string, string>();
    await applyRoles(connectTo, BOTH, applied);
    await query(`alter role app_ro_leaving createrole`);
    const powers = `select rolcreaterole from pg_roles where rolname = 'app_ro_leaving'`;
    await applyRoles(connectTo, BOTH, applied);
    expect(await query(powers)).toEqual([{ rolcreaterole: true }]);
    await applyRoles(connectTo, { ...BOTH, roles: ROLES.filter(({ name }) => name !== 'p_rw_leaving') }, applied);
    expect(await query(powers)).toEqual([{ rolcreaterole: false }]);
    await applyRoles(connectTo, ONE, applied);
    await dropDatabase(connectTo, 'leaving_db', () => ONE);
    await applyRoles(connectTo, BOTH, applied);
    await as(server.spec, 'p_rw_leaving', 'leaving_db', 'create table t as select 1 as n');
  });
});
