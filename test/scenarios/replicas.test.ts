import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { parseConnInfo } from '@borealis/contract';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { CLI, Installation } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const REPLICATED = 'borealis-pg:x2-s10-p1-r1';

let installation: Installation;

// Nothing of it belongs to the default suite.
const isFull = process.env.BOREALIS_TEST === 'full';

beforeAll(async () => {
  if (isFull) installation = await Installation.start();
}, 300_000);
afterAll(() => installation?.stop());

/** Asks once through a tunnel of the app's own to the server that this URL of it is for. */
async function ask(app: string, which: 'DATABASE' | 'DATABASE_READONLY', sql: string): Promise<unknown[]> {
  const config = await installation.config(app);
  const { host, port } = writerOf(config);
  const reader = parseConnInfo(config.DATABASE_TUNNEL_BPG_CONN_INFO!).POSTGRES_READER_HOST!;
  const tunnel = await openTunnel(appTunnelUser(config), { host: which === 'DATABASE' ? host : reader, port });
  try {
    const url = throughPort(config[`${which}_URL`]!, tunnel.localPort);
    return await query(url, installation.environment.BOREALIS_CA_FILE!, sql);
  } finally {
    await tunnel.close();
  }
}

/** `borealis drill failover`, once the standby has everything. */
async function drill(addon: string): Promise<string> {
  let printed = '';
  await until(
    'a standby that can take over',
    async () => {
      const env = { ...process.env, BOREALIS_HOME: installation.home };
      const child = spawn(process.execPath, [CLI, 'drill', 'failover', addon], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr, [status]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close'),
      ]);
      printed = stdout || stderr;
      return status === 0;
    },
    180,
  );
  return printed;
}

scenario.full('a plan with a replica reads from a standby, which takes over with every row', async () => {
  const { name } = await installation.createAddon('twofold', {}, REPLICATED);
  await ask('twofold', 'DATABASE', 'create table kept as select generate_series(1, 1000) as n');
  await until(
    'reads from the standby',
    async () => {
      const [row] = await ask('twofold', 'DATABASE_READONLY', 'select pg_is_in_recovery() as standby');
      return (row as { standby: boolean }).standby;
    },
    180,
  );
  expect(await ask('twofold', 'DATABASE', 'select pg_is_in_recovery() as standby')).toEqual([{ standby: false }]);
  for (let i = 1; i <= 2; i++) {
    expect(await drill(name)).toMatch(/^A standby of \S+ took over within \d+ ms\./);
    expect(await ask('twofold', 'DATABASE', 'insert into kept values (0) returning n')).toEqual([{ n: 0 }]);
    expect(await ask('twofold', 'DATABASE', 'select count(*)::int as rows from kept')).toEqual([{ rows: 1000 + i }]);
  }
  await until('the events in the log of the app', async () => {
    const log = await appLog(installation, 'twofold');
    return (log.match(/event=db-failover-completed/g) ?? []).length === 2;
  });
});
