import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PublishedPlugin } from '@borealis/plugin/testing';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { inCloudNativeImage, inDockerfile, launcher } from '../support/container.js';
import { Installation } from '../support/installation.js';
import { languages } from '../support/languages.js';
import { kill9, processes } from '../support/processes.js';
import { expectReach } from '../support/reach.js';
import { scenario } from '../support/scenario.js';
import { until } from '../support/until.js';

let installation: Installation;
let addonName: string;

beforeAll(async () => {
  installation = await Installation.start();
  addonName = (await installation.createAddon('diner')).name;
});

afterAll(() => installation.stop());

const CLI = resolve(import.meta.dirname, '../../packages/borealis/dist/cli.js');
const SAMPLE = resolve(import.meta.dirname, '../../packages/borealis/dist/sample-app/bundle.cjs');

const plugin = (token: string, name = addonName) =>
  new PublishedPlugin({ baseUrl: installation.environment.BOREALIS_PG_API_BASE_URL!, token, addonName: name });

/** What the add-on API answers a person on a few of its routes. */
async function statuses(token: string): Promise<number[]> {
  const asked = plugin(token);
  const answers = [await asked.info(), await asked.users(), await asked.integrations(), await asked.personalSshUsers()];
  return answers.map(({ status }) => status);
}

const LET_IN = [200, 200, 200, 201];
const UNKNOWN = [404, 404, 404, 404];

scenario(
  'owners, team members and collaborators of any app that the add-on is attached to get in, and nobody else',
  async () => {
    const guest = await installation.platform<{ token: string }>('POST', '/stand-in/users', {
      email: 'guest@example.com',
    });
    const members = (app: string) => `/apps/${app}/collaborators`;
    expect(await statuses(guest.token)).toEqual(UNKNOWN);
    await installation.platform('POST', members('diner'), { user: 'guest@example.com' });
    expect(await statuses(guest.token)).toEqual(LET_IN);

    await installation.platform('POST', '/apps', { name: 'guests-own' }, guest.token);
    await installation.platform('POST', '/addon-attachments', { addon: addonName, app: 'guests-own' }, guest.token);
    await installation.platform('DELETE', `${members('diner')}/guest@example.com`);
    expect(await statuses(guest.token)).toEqual(LET_IN);
    await installation.platform('DELETE', '/apps/guests-own', undefined, guest.token);
    expect(await statuses(guest.token)).toEqual(UNKNOWN);

    await installation.platform('POST', '/apps', { name: 'second' });
    await installation.platform('POST', '/addon-attachments', { addon: addonName, app: 'second' });
    await installation.platform('POST', members('second'), { user: 'guest@example.com' });
    expect(await statuses(guest.token)).toEqual(LET_IN);
    await installation.platform('DELETE', `${members('second')}/guest@example.com`);
    expect(await statuses(guest.token)).toEqual(UNKNOWN);

    await installation.platform('POST', '/stand-in/teams', { name: 'crew' });
    await installation.platform('POST', '/teams/apps', { name: 'crews-own', team: 'crew' });
    await installation.platform('POST', '/addon-attachments', { addon: addonName, app: 'crews-own' });
    expect(await statuses(guest.token)).toEqual(UNKNOWN);
    await installation.platform('PUT', '/teams/crew/members', { email: 'guest@example.com', role: 'member' });
    expect(await statuses(guest.token)).toEqual(LET_IN);
    await installation.platform('DELETE', '/teams/crew/members/guest@example.com');
    expect(await statuses(guest.token)).toEqual(UNKNOWN);
  },
);

scenario('a renamed add-on is found under its new name at once, and under the old one no more', async () => {
  const token = installation.environment.HEROKU_API_KEY!;
  const path = `/apps/diner/addons/${addonName}`;
  await installation.platform('PATCH', path, { name: 'renamed-diner' });
  expect((await plugin(token).info()).status).toBe(404);
  const info = await plugin(token, 'renamed-diner').info();
  expect([info.status, (info.json as { addonName: string }).addonName]).toEqual([200, 'renamed-diner']);
  await plugin(token, 'renamed-diner').personalSshUsers();
  await until('the new name in the log', async () =>
    /source=renamed-diner event=personal-ssh-user-configured/.test(await appLog(installation, 'diner')),
  );
  await installation.platform('PATCH', '/apps/diner/addons/renamed-diner', { name: addonName });
  expect((await plugin(token).info()).status).toBe(200);
});

scenario('a dyno’s tunnel comes back by itself after its ssh was killed, and the app goes on', async () => {
  const slug = mkdtempSync(join(tmpdir(), 'slug-'));
  copyFileSync(SAMPLE, join(slug, 'app.cjs'));
  writeFileSync(
    join(slug, 'loop.cjs'),
    `const { execFileSync } = require('node:child_process');
     for (;;) {
       try { process.stdout.write('ok ' + execFileSync(process.execPath, ['app.cjs'], { encoding: 'utf8' })); }
       catch (error) { process.stdout.write('failed\\n'); }
     }`,
  );
  const dyno = spawn(
    process.execPath,
    [CLI, 'dyno', '-a', 'diner', '--slug', slug, '--', process.execPath, 'loop.cjs'],
    {
      env: { ...process.env, ...installation.environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  dyno.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const answers = () => output.split('\n').filter((line) => line.startsWith('ok ')).length;
  await until('the app to query', () => answers() >= 2);
  const app = processes().find(({ parent, command }) => parent === dyno.pid && command.includes('loop.cjs'))!.pid;
  const tunnels = () => {
    const rows = processes();
    const supervisors = rows.filter(({ command }) => command.includes(' supervise ') && command.endsWith(` ${app}`));
    return rows.filter(
      ({ parent, command }) => command.startsWith('ssh ') && supervisors.some(({ pid }) => pid === parent),
    );
  };
  const [before] = tunnels();
  expect(before).toBeDefined();
  kill9(before!.pid);
  const seen = answers();
  await until(
    'the app to query again through a new tunnel',
    () => answers() >= seen + 3 && tunnels().some(({ pid }) => pid !== before!.pid),
  );
  dyno.kill('SIGTERM');
  await until('nothing of the dyno to be left', () => tunnels().length === 0);
  rmSync(slug, { recursive: true, force: true });
});

const asked = { version: expect.stringMatching(/^16\./), readOnlyRefusal: expect.stringContaining('read-only') };

scenario('an app that a Dockerfile starts queries through DATABASE_URL', async () => {
  const output = await inDockerfile(SAMPLE, await installation.config('diner'));
  expect(JSON.parse(output)).toMatchObject(asked);
});

scenario.fullWithTools('an app in a Cloud Native image queries through DATABASE_URL', launcher, async () => {
  const output = await inCloudNativeImage(SAMPLE, await installation.config('diner'));
  expect(JSON.parse(output)).toMatchObject(asked);
});

scenario('Node.js connects with the program of docs/clients.md, and verifies the server as it is', () =>
  expectReach(installation, 'diner', 'Node.js', { alone: 'failed', plainElsewhere: 'failed' }),
);

scenario.withTools('Python connects with the program of docs/clients.md', languages.Python, () =>
  expectReach(installation, 'diner', 'Python'),
);

scenario('DATABASE_URL asks for TLS, names the tunnel’s host and has a local port of its own', async () => {
  const config = await installation.config('diner');
  const url = new URL(config.DATABASE_URL!);
  expect(url.searchParams.get('sslmode')).toBe('require');
  expect(url.hostname).toBe('pg-tunnel.borealis-data.com');
  expect(Number(url.port)).toBeGreaterThanOrEqual(20_000);
  expect(Number(url.port)).toBeLessThanOrEqual(32_767);
  expect(new URL(config.DATABASE_READONLY_URL!).port).not.toBe(url.port);
});
