import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { offeredRelease } from '@borealis/postgres';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { CLI, Installation } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { connectThrough } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const NEWER = offeredRelease('16').version;
const OLDER = '16.13';

let installation: Installation;

beforeAll(async () => {
  if (process.env.BOREALIS_TEST === 'full') installation = await Installation.start();
}, 300_000);
afterAll(() => installation?.stop());

/** Runs the command while this process goes on. */
async function upgradeMinor(...args: string[]) {
  const child = spawn(process.execPath, [CLI, 'upgrade-minor', ...args], {
    env: { ...process.env, BOREALIS_HOME: installation.home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: status as number, stdout, stderr };
}

scenario.full('borealis upgrade-minor puts another release in place under a client that never notices', async () => {
  const { name } = await installation.createAddon('minor', { version: '16' });
  const config = await installation.config('minor');
  const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  try {
    const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
    const client = await connectThrough(url, installation.environment.BOREALIS_CA_FILE!);
    const ended = new AbortController();
    await client.query('create table seen (at timestamptz default now())');
    const querying = (async () => {
      let count = 0;
      for (; !ended.signal.aborted; count++) await client.query('insert into seen default values');
      return count;
    })();
    querying.catch(() => undefined);
    const down = await upgradeMinor(name, '--to', OLDER, '--json');
    expect(down.status, down.stderr).toBe(0);
    expect(JSON.parse(down.stdout)).toMatchObject({
      addon: name,
      state: 'done',
      from: NEWER,
      to: OLDER,
      kept: 1,
      closed: {},
    });
    const up = await upgradeMinor(name);
    expect(up.status, up.stderr).toBe(0);
    expect(up.stdout).toMatch(
      new RegExp(
        `^${name} went from PostgreSQL ${OLDER} to ${NEWER}: queries waited for \\d+ ms, 1 session kept, none closed\\.\n$`,
      ),
    );
    expect(up.stderr).toContain(`Trying PostgreSQL ${NEWER} on a copy of the data\n`);
    ended.abort();
    const written = await querying;
    expect((await client.query('select count(*)::int as rows from seen')).rows).toEqual([{ rows: written }]);
    expect((await client.query('show server_version')).rows).toEqual([{ server_version: NEWER }]);
    await client.end();
  } finally {
    await tunnel.close();
  }
  await until('the events in the log of the app', async () => {
    const log = await appLog(installation, 'minor');
    return (
      (log.match(/event=db-minor-upgrade-completed from_version=\S+ to_version=\S+ pause_ms=\d+ /g) ?? []).length === 2
    );
  });
  const again = await upgradeMinor(name, '--to', NEWER);
  expect([again.status, again.stdout]).toEqual([0, `${name} runs PostgreSQL ${NEWER} already.\n`]);
});

scenario.full('borealis upgrade-minor says what is allowed when it is asked for what is not', async () => {
  const { name } = await installation.createAddon('minor-refused', { version: '16' });
  const refused = await upgradeMinor(name, '--to', '16.1');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(`PostgreSQL 16.1 is not offered; of this major ${NEWER}, ${OLDER} are.`);
  const major = await upgradeMinor(name, '--to', '17.9');
  expect(major.stderr).toContain('The cluster has PostgreSQL 16, and 17.9 is of another major.');
  const malformed = await upgradeMinor(name, '--wait', 'forever');
  expect(malformed.stderr).toContain('"forever" is not how long to wait');
});
