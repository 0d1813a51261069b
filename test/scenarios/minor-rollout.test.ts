import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { ReleaseOverview } from '@borealis/contract';
import { keeperSocket, requestControlDatabase } from '@borealis/engine-local';
import { offeredRelease } from '@borealis/postgres';
import pg from 'pg';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { CLI, Installation } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { until } from '../support/until.js';

const NEWER = offeredRelease('16').version;
const OLDER = '16.13';
/** The windows of all add-ons are open, also of those that were just made. */
const ALWAYS = JSON.stringify({ open: 86_400, settle: 0, tick: 1 });

let installation: Installation;

beforeAll(async () => {
  if (process.env.BOREALIS_TEST === 'full')
    installation = await Installation.start({ env: { BOREALIS_MAINTENANCE_POLICY: ALWAYS } });
}, 300_000);
afterAll(() => installation?.stop());

async function borealis(...args: string[]) {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, BOREALIS_HOME: installation.home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: status as number, stdout, stderr };
}

async function clusters(): Promise<ReleaseOverview['clusters']> {
  const { status, stdout, stderr } = await borealis('releases', '--json');
  if (status !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as ReleaseOverview).clusters;
}

const versions = async () => (await clusters()).map(({ version }) => version);
const states = async () => (await clusters()).map(({ rollout }) => rollout?.state);

async function controlDatabase(): Promise<pg.Client> {
  const { password, ...database } = await requestControlDatabase(keeperSocket(installation.home));
  const client = new pg.Client({ ...database, password: password.reveal() });
  await client.connect();
  return client;
}

scenario.full('a new release comes to every cluster by itself, though the service is killed meanwhile', async () => {
  const addons = [
    await installation.createAddon('rolled', { version: '16' }),
    await installation.createAddon('rolled-shared', { version: '16' }, 'borealis-pg:dev'),
  ];
  await until('the present releases are noticed', async () => (await states()).join() === 'done,done');
  for (const { name } of addons) {
    const down = await borealis('upgrade-minor', name, '--to', OLDER);
    expect(down.status, down.stderr).toBe(0);
  }
  expect([await versions(), await states()]).toEqual([
    [OLDER, OLDER],
    ['held', 'held'],
  ]);
  const control = await controlDatabase();
  try {
    // As if the newer release had only come now.
    await control.query('delete from minor_rollout');
    const running = "select from minor_rollout where state <> 'planned'";
    await until('the first upgrade is under way', async () => ((await control.query(running)).rowCount ?? 0) > 0);
    process.kill(installation.pid('service'), 'SIGKILL');
  } finally {
    await control.end();
  }
  await until('both have come through', async () => (await states()).join() === 'done,done', 180);
  expect(await versions()).toEqual([NEWER, NEWER]);
  const planned = `event=db-minor-upgrade-planned from_version=${OLDER} to_version=${NEWER} not_before=`;
  for (const app of ['rolled', 'rolled-shared'])
    await until(`${app} was told`, async () => (await appLog(installation, app)).includes(planned));
  const completed = `event=db-minor-upgrade-completed from_version=${OLDER} to_version=${NEWER} `;
  await until('the end was told', async () => (await appLog(installation, 'rolled')).includes(completed));
  const [isolated, shared] = addons.map(({ name }) => name);
  expect((await borealis('releases')).stdout).toContain(`\n${isolated}: ${NEWER}\n${shared} (shared): ${NEWER}\n`);
  const window = await borealis('maintenance-window', isolated!, '--day', 'sunday', '--hour', '4');
  expect(window.stdout).toContain(`to ${isolated} on Sundays from 4:00 UTC`);
  expect((await borealis('maintenance-window', shared!, '--hour', '4')).stderr).toContain('shares its cluster');
  expect((await borealis('releases', 'allow', NEWER)).stdout).toBe(
    `PostgreSQL ${NEWER} is tried again where it is due.\n`,
  );
});
