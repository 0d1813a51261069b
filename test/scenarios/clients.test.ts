import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { inCloudNativeImage, inDockerfile, launcher } from '../support/container.js';
import { Installation } from '../support/installation.js';
import { languages } from '../support/languages.js';
import { kill9, processes } from '../support/processes.js';
import { expectReach } from '../support/reach.js';
import { scenario } from '../support/scenario.js';
import { until } from '../support/until.js';

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
  await installation.createAddon('diner');
});

afterAll(() => installation.stop());

const CLI = resolve(import.meta.dirname, '../../packages/borealis/dist/cli.js');
const SAMPLE = resolve(import.meta.dirname, '../../packages/borealis/dist/sample-app/bundle.cjs');

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
  const tunnels = () => {
    const rows = processes();
    const app = rows.find(({ parent, command }) => parent === dyno.pid && command.includes('loop.cjs'))?.pid;
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

scenario.withTools('an app in a Cloud Native image queries through DATABASE_URL', launcher, async () => {
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
