import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GENEROUS } from '../support/home.js';
import { attacks, TRAPS } from './attacks.js';
import { codeOf, MAJORS, SharedCluster, type Tenant } from './tenants.js';

describe.each(MAJORS)('a hostile tenant of PostgreSQL %s', (major) => {
  let cluster: SharedCluster;

  beforeAll(async () => {
    cluster = await SharedCluster.start(major);
  }, GENEROUS);
  afterAll(() => cluster?.stop(), GENEROUS);

  test.each(['reach', 'read', 'write', 'escalate'])(
    'by SQL: %s',
    async (kind) => {
      const victim = await cluster.session(cluster.victim, 'app_rw');
      // The gateway gives clients a number of its own, so the attacker gets the real one from us. An older session may be ending.
      const [row] = await cluster.asSuperuser(
        `select pid from pg_stat_activity where usename = '${cluster.victim.role('app_rw')}' and state = 'idle' order by backend_start desc`,
      );
      const wrong: string[] = [];
      for (const { sql, refused, by = 'app_rw' } of attacks(cluster, Number(row!.pid))[kind]!) {
        const code = await codeOf(cluster.as(cluster.hostile, by, sql));
        if (refused ? !new RegExp(`^(${refused})$`).test(code) : /^(57|08|XX|53)/.test(code))
          wrong.push(`${sql}: ${code}`);
      }
      expect(wrong).toEqual([]);
      expect((await victim.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      await victim.end();
      await cluster.checkVictim();
    },
    GENEROUS,
  );

  test(
    'impersonates nobody by what he says at login',
    async () => {
      const { hostile, victim } = cluster;
      const claims = [
        { user: victim.role('app_rw'), password: victim.password, database: victim.database },
        { user: victim.role('app_ro'), password: hostile.password },
        { database: victim.database },
        { database: 'postgres' },
        { database: 'template1' },
        { user: 'borealis', database: 'postgres' },
        { user: 'postgres' },
        { user: `readers_${hostile.database}` },
        { user: `${hostile.role('app_rw')}\n` },
      ];
      for (const claim of claims)
        expect(await codeOf(cluster.session(hostile, 'app_rw', claim)), JSON.stringify(claim)).toBe('28P01');
      for (const replication of ['true', 'database'])
        expect(await codeOf(cluster.session(hostile, 'app_rw', { replication } as object))).not.toBe('accepted');
      const spoofed = { application_name: 'borealis' };
      await cluster.as(hostile, 'app_rw', `alter role ${hostile.role('app_rw')} password 'Chosen-by-mallory'`);
      expect(await codeOf(cluster.session(hostile, 'app_rw', { password: 'Chosen-by-mallory' }))).toBe('28P01');
      await cluster.apply([hostile, victim], (tenant) => tenant.roles(['app_rw', 'app_ro', 'p_rw']));
      await cluster.apply([hostile, victim]);
      await cluster.as(hostile, 'app_rw', 'select 1', spoofed);
      await cluster.checkVictim();
    },
    GENEROUS,
  );

  test(
    'springs no trap on the service’s own role',
    async () => {
      const { hostile, victim } = cluster;
      for (const sql of TRAPS) await cluster.as(hostile, 'p_rw', sql);
      // Roles go, and what they own is handed over; grants are repaired; roles come.
      await cluster.apply([hostile, victim], (tenant) => tenant.roles(['app_rw', 'app_ro']));
      await cluster.apply([hostile, victim]);
      await cluster.engine.usage('shared1');
      expect(
        await cluster.asSuperuser(
          `select rolname from pg_roles where (rolsuper or rolcreaterole or rolreplication or rolbypassrls) and rolname ~ '_(rw|ro)_'`,
        ),
      ).toEqual([]);
      await cluster.checkVictim();
    },
    GENEROUS,
  );

  test(
    'leaves nothing behind, and keeps no role of another from being removed',
    async () => {
      const { hostile, victim } = cluster;
      await cluster.as(hostile, 'app_rw', `create table shared_with (n int); create schema gifts`);
      for (const to of [victim.role('p_rw'), victim.role('app_rw'), 'public'])
        await cluster.as(
          hostile,
          'app_rw',
          `grant all on shared_with to ${to}; grant all on schema gifts to ${to};
           alter default privileges grant all on tables to ${to}; alter default privileges grant all on functions to ${to}`,
        );
      await codeOf(cluster.as(hostile, 'app_rw', `grant ${hostile.role('app_rw')} to ${victim.role('p_rw')}`));
      await cluster.as(hostile, 'app_rw', `alter role ${hostile.role('app_rw')} set search_path = evil`);
      const locked = await cluster.session(hostile, 'app_rw');
      await locked.query('begin; lock table public.shared_with in access exclusive mode; select pg_advisory_lock(1)');

      const others = (tenant: Tenant) => tenant.roles(['app_rw', 'app_ro']);
      await cluster.apply([hostile, victim], others);
      expect(await roleNames()).not.toContain(victim.role('p_rw'));

      await cluster.apply([victim], others);
      await cluster.dropDatabase(hostile);
      await locked.end().catch(() => undefined);
      expect((await roleNames()).filter((name) => name.includes('mallory'))).toEqual([]);
      expect(Object.keys(await cluster.engine.usage('shared1'))).toEqual([victim.database]);
      expect(await codeOf(cluster.openTunnel(hostile.username, hostile.key.private))).not.toBe('accepted');
      await cluster.checkVictim();
    },
    GENEROUS,
  );

  async function roleNames(): Promise<string[]> {
    return (await cluster.asSuperuser('select rolname as name from pg_roles')).map(({ name }) => String(name));
  }
});
