import { spawnSync } from 'node:child_process';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TemporaryServer, temporaryServer } from '../src/testing.js';
import { asRoot, majors } from './support.js';

// With its client inside: the other OS user may not be able to enter the directory of this checkout.
const program = buildSync({
  stdin: {
    contents: `
      const pg = require('pg');
      const client = new pg.Client(JSON.parse(process.env.OPTIONS));
      client.connect().then(() => client.query('select current_user::text as me')).then(({ rows }) => rows[0].me, (e) => e.message)
        .then((text) => { console.log(text); process.exit(0); });`,
    resolveDir: import.meta.dirname,
  },
  ...{ bundle: true, write: false, platform: 'node', format: 'cjs', external: ['pg-native'] },
}).outputFiles[0]!.text;

/** Logs in as `role` from a process of that OS user; returns what PostgreSQL calls the session, or its refusal. */
function logInAs(uid: number, server: TemporaryServer, role: string, database = 'd'): string {
  const { socketDirectory, port } = server.spec;
  const options = JSON.stringify({ host: socketDirectory, port, user: role, database });
  const { stdout, stderr } = spawnSync(process.execPath, ['-'], {
    uid,
    gid: 65534,
    cwd: '/',
    env: { OPTIONS: options },
    input: program,
    encoding: 'utf8',
  });
  return (stdout || stderr).trim();
}

// Any uid without an entry in passwd is nobody's, so it stands for every other OS user.
const NOBODY = 65534;
const STRANGER = 61_234;

describe.skipIf(!asRoot).each(majors)('peer authentication of PostgreSQL %s (only as root)', (major) => {
  let server: TemporaryServer;

  beforeAll(async () => {
    server = await temporaryServer(major, { access: { method: 'peer', gatewayOsUser: 'nobody', roles: [] } });
    await server.setAccess({
      databases: [{ name: 'd', owner: 'app_rw_a' }],
      roles: [
        { name: 'app_rw_a', database: 'd' },
        { name: 'app_ro_a', database: 'd' },
      ],
      backendPassword: null,
    });
    // Its mode would refuse most users before PostgreSQL is asked, and PostgreSQL is what is tested here.
    spawnSync('chmod', ['0777', `${server.spec.socketDirectory}/.s.PGSQL.${server.spec.port}`]);
  });
  afterAll(() => server.remove());

  it("lets the gateway's OS user in as every tenant's role", () => {
    expect(logInAs(NOBODY, server, 'app_rw_a')).toBe('app_rw_a');
    expect(logInAs(NOBODY, server, 'app_ro_a')).toBe('app_ro_a');
  });

  it('lets it in as no other role', () => {
    for (const role of ['borealis', 'readers_d', 'pg_monitor', 'xapp_rw_a', 'app_rw_A', 'postgres']) {
      expect(logInAs(NOBODY, server, role), role).toMatch(
        /pg_hba|authentication failed|not permitted|SASL|SCRAM|password/,
      );
    }
  });

  it("refuses every other OS user, root and PostgreSQL's own included", () => {
    for (const uid of [0, server.spec.os!.uid, STRANGER]) {
      expect(logInAs(uid, server, 'app_rw_a'), `uid ${uid}`).toMatch(
        /Peer authentication failed|no PostgreSQL user name/i,
      );
      expect(logInAs(uid, server, 'borealis'), `uid ${uid}`).toMatch(/password/);
    }
  });
});
