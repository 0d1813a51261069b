import { afterAll, beforeAll, expect } from 'vitest';
import { Installation } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
});

afterAll(() => installation.stop());

/** Provisions that major and asks it who it is, as writer and as reader. */
async function works(major: string): Promise<void> {
  const app = `pg${major}`;
  await installation.createAddon(app, { version: major });
  const config = await installation.config(app);
  const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  const ca = installation.environment.BOREALIS_CA_FILE!;
  const writer = throughPort(config.DATABASE_URL!, tunnel.localPort);
  const [row] = await query<{ version: string }>(writer, ca, `select current_setting('server_version') as version`);
  expect(row?.version.split('.')[0]).toBe(major);
  await query(writer, ca, 'create table t (id int)');
  await expect(
    query(throughPort(config.DATABASE_READONLY_URL!, tunnel.localPort), ca, 'insert into t values (1)'),
  ).rejects.toMatchObject({
    code: expect.stringMatching(/42501|25006/),
  });
  await tunnel.close();
}

scenario('PostgreSQL 13, the oldest offered, is provisioned and used', () => works('13'));
scenario('PostgreSQL 18, the newest offered, is provisioned and used', () => works('18'));
scenario.full('PostgreSQL 14 is provisioned and used', () => works('14'));
scenario.full('PostgreSQL 15 is provisioned and used', () => works('15'));
scenario.full('PostgreSQL 16, the default, is provisioned and used', () => works('16'));
scenario.full('PostgreSQL 17 is provisioned and used', () => works('17'));
