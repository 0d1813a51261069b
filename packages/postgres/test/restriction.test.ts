import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheDirectory, findClientTools } from '../src/index.js';
import { clientTools } from './client-tools.js';
import { catalogue, content } from './restriction/catalogue.js';
import { DB, makeTenant, OWNER, PERSON, READER, ROLES, type Tenant } from './restriction/tenant.js';
import { majors } from './support.js';

/** What each kind of role reads, row security and views above it included. */
const READS = `
  select array(select n from rls order by n) as rls, array(select n from over_rls order by n) as over_rls, array(select n from forced) as forced,
    (select count(*) from t) as t, (select count(*) from vw) as vw, (select count(*) from mv) as mv, (select count(*) from s.u) as u,
    (select count(*) from part) as part, (select last_value from s.free) as free, (select last_value from t_id_seq) as seq,
    (select count(*) from made) as made, (select count(*) from pv) as pv, (select count(*) from ps.x) as x, (select count(*) from loaded) as loaded,
    (select n from ul) as ul, lo_get(4711) as large`;

describe.each(majors)('a restricted database of PostgreSQL %s', async (major) => {
  // Fetched only where every major is tried: it takes a while.
  const tools = await (process.env.BOREALIS_TEST === 'full'
    ? clientTools(major)
    : findClientTools(major, cacheDirectory()));
  let tenant: Tenant;
  let before: string[];
  let contentBefore: unknown;

  const reads = async (role: string, who = 'a') => {
    const client = await tenant.logIn(role);
    try {
      await client.query(`select set_config('app.who', $1, false)`, [who]);
      return (await client.query(READS)).rows;
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    tenant = await makeTenant(major);
    before = await catalogue(tenant);
    contentBefore = await content(tenant);
  });
  afterAll(() => tenant.server.remove());

  it('is locked, locked again and lifted with nothing changed', async () => {
    await tenant.restrict();
    await expect(tenant.run(OWNER, `insert into t (v) values ('no')`)).rejects.toThrow(/permission denied for table t/);
    const locked = await catalogue(tenant);
    expect(locked).not.toEqual(before);
    await tenant.restrict();
    expect(await catalogue(tenant)).toEqual(locked);
    expect(await content(tenant)).toEqual(contentBefore);
    await tenant.lift();
    expect(await catalogue(tenant)).toEqual(before);
    expect(await content(tenant)).toEqual(contentBefore);
  });

  it('gives each role the very rows that it had', async () => {
    const roles = [OWNER, READER, PERSON, 'p_ro_b', 'di_rw_c', 'di_ro_c'];
    const all = () => Promise.all(roles.flatMap((role) => ['a', 'b'].map((who) => reads(role, who))));
    const free = await all();
    expect(new Set(free.map((rows) => JSON.stringify(rows))).size).toBeGreaterThan(2);
    await tenant.restrict();
    expect(await all()).toEqual(free);
    await tenant.lift();
    expect(await all()).toEqual(free);
  });

  it('lets roles read that are made, and loses those that are dropped, while it is restricted', async () => {
    await tenant.restrict();
    await tenant.restrict([...ROLES.filter((role) => role !== PERSON), 'p_ro_new', 'di_rw_new']);
    for (const role of ['p_ro_new', 'di_rw_new', OWNER]) {
      expect((await tenant.run(role, 'select n from made join pv using (n) join t on true')).rowCount).toBe(2);
      for (const sql of [
        'insert into made (n) values (1)',
        'create table mine (n int)',
        'create temp table mine (n int)',
      ])
        await expect(
          tenant.run(role, `set default_transaction_read_only = off; begin; set transaction read write; ${sql}`),
        ).rejects.toThrow(/permission denied/);
    }
    await tenant.lift(ROLES.filter((role) => role !== PERSON));
    await tenant.run(
      OWNER,
      'alter table made add w int; insert into made (n) values (6); drop view pv; create table ps.y (n int)',
    );
    const { rows } = await tenant.superuser(`
      select from pg_class, aclexplode(relacl) where grantee <> 0 and grantee not in (select oid from pg_roles)
      union all select from pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = 'borealis_restriction'::regrole`);
    expect(rows).toEqual([]);
    await tenant.lift();
    expect((await tenant.superuser('select * from restriction.databases', 'postgres')).rows).toEqual([]);
  });

  it.skipIf(!tools)(`is dumped as before, with nothing of the restriction (needs pg_dump ${major})`, async () => {
    const dump = (role: string) => {
      const { socketDirectory, port } = tenant.server.spec;
      const args = ['-h', socketDirectory, '-p', String(port), '-U', role, '-d', DB, '--no-owner', '--no-acl'];
      const [program, ...before] = tools!.command('pg_dump');
      const { status, stdout, stderr } = spawnSync(program, [...before, ...args], { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(status).toBe(0);
      return stdout.replace(/^\\(un)?restrict .*$/gm, '');
    };
    await tenant.run(
      OWNER,
      'drop policy mine on rls; drop policy few on rls; drop view over_rls; drop table rls, forced',
    );
    const free = dump(OWNER);
    await tenant.restrict();
    expect(dump(OWNER)).toBe(free);
    expect(free).toContain('COPY public.t ');
    await tenant.lift();
  });
});
