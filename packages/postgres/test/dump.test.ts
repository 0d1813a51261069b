import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TemporaryServer, temporaryServer } from '../src/testing.js';
import { as, majors } from './support.js';

/** Major of this machine's own client tools; 0 without them. It must be at least as new as the server. */
const tools = Number(/\d+/.exec(spawnSync('pg_dump', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0] ?? 0);

const ROLES = ['from_db', 'into_db'].flatMap((database) =>
  ['app_rw', 'app_ro', 'p_rw'].map((kind) => ({ name: `${kind}_${database.slice(0, 4)}`, database })),
);

describe.each(majors)('a dump of PostgreSQL %s', (major) => {
  const possible = tools >= Number(major);
  let server: TemporaryServer;
  let directory: string;

  function tool(name: string, role: string, database: string, args: string[]): string {
    const { socketDirectory, port } = server.spec;
    const to = ['-h', socketDirectory, '-p', String(port), '-U', role, '-d', database];
    const { status, stdout, stderr } = spawnSync(name, [...to, ...args], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout;
  }

  beforeAll(async () => {
    if (!possible) return;
    directory = await mkdtemp(join(tmpdir(), 'bpgd-'));
    server = await temporaryServer(major);
    await server.setAccess({
      databases: [
        { name: 'from_db', owner: 'app_rw_from' },
        { name: 'into_db', owner: 'app_rw_into' },
      ],
      roles: ROLES,
      backendPassword: null,
    });
  });
  afterAll(async () => {
    if (!possible) return;
    await server.remove();
    await rm(directory, { recursive: true });
  });

  it.skipIf(!possible)(
    `is taken and restored by people, and then belongs to the app (needs pg_dump ${major})`,
    async () => {
      const app = (sql: string) => as(server.spec, 'app_rw_from', 'from_db', sql);
      await app(`create table t (id serial primary key, v text); insert into t (v) values ('one'); create schema s`);
      await app(`create view s.w as select v from t; create function s.f() returns int language sql as 'select 1'`);
      expect(tool('pg_dump', 'p_rw_from', 'from_db', [])).not.toMatch(/lo_creat|pg_logical_emit_message/);

      const file = join(directory, 'dump');
      tool('pg_dump', 'p_rw_from', 'from_db', ['-Fc', '-f', file]);
      tool('pg_restore', 'p_rw_into', 'into_db', ['--no-owner', '--no-acl', file]);
      const into = (role: string, sql: string) => as(server.spec, role, 'into_db', sql);
      await expect(into('app_rw_into', 'alter table t add w int')).rejects.toThrow(/must be owner/);
      await into('p_rw_into', 'reassign owned by current_user to app_rw_into');
      expect((await into('app_ro_into', 'select v from s.w')).rows).toEqual([{ v: 'one' }]);
      await into('app_rw_into', 'alter table t add w int; drop schema s cascade; drop table t');
    },
  );
});
