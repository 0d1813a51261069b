import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { isAlive, startTimeOf } from './support/process-identity.js';

const CLI = join(import.meta.dirname, '../dist/cli.js');

// Only an app's config vars are asked for, and this app has none: no tunnel, and nothing else of a platform.
const platform = createServer((_, response) => response.end('{}'));
beforeAll(() => new Promise<void>((resolve) => void platform.listen(0, '127.0.0.1', resolve)));
afterAll(() => void platform.close());

let temporary: string;
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'dy-'));
  chmodSync(temporary, 0o755);
});
afterEach(() => rmSync(temporary, { recursive: true, force: true }));

/** Starts `borealis dyno` and waits until its command has told its process number. */
async function dyno(script: string) {
  const { port } = platform.address() as AddressInfo;
  const command = ['bash', '-c', `echo "pid $$."; ${script}`];
  const cli = spawn(process.execPath, [CLI, 'dyno', '-a', 'x', '--', ...command], {
    env: { ...process.env, TMPDIR: temporary, PLATFORM_URL: `http://127.0.0.1:${port}`, HEROKU_API_KEY: 'x' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(cli, 'exit');
  let text = '';
  cli.stdout!.on('data', (chunk) => {
    text += chunk;
  });
  await expect.poll(() => text, { timeout: 60_000 }).toMatch(/pid \d+\./);
  return { cli, exited, pid: Number(/pid (\d+)/.exec(text)![1]), text: () => text };
}

const LOOP = 'while :; do sleep 0.05; done';

test('a dyno has a process group of its own and hears the signals that we get', async () => {
  const { cli, exited, pid, text } = await dyno(`trap 'echo bye; exit 7' TERM; ${LOOP}`);
  expect(() => process.kill(-pid, 0)).not.toThrow();
  cli.kill('SIGTERM');
  expect(await exited).toEqual([7, null]);
  expect(text()).toContain('bye');
  expect(readdirSync(temporary)).toEqual([]);
});

test('a command that a signal ended has the status that shells give it', async () => {
  const { exited } = await dyno('kill -KILL $$');
  expect(await exited).toEqual([137, null]);
});

test('when we are killed, the dyno ends and nothing of it stays', async () => {
  const { cli, pid } = await dyno(LOOP);
  const startTime = startTimeOf(pid);
  expect(readdirSync(temporary)).not.toEqual([]);
  cli.kill('SIGKILL');
  await expect.poll(() => isAlive(pid, startTime), { timeout: 60_000 }).toBe(false);
  await expect.poll(() => readdirSync(temporary), { timeout: 60_000 }).toEqual([]);
});

test('a dyno takes along what its command left, and has ended when its tunnels are closed', async () => {
  const supervisor =
    'mkdir -p "$HOME"/.borealis-pg/tunnel.x; echo $$ > "$HOME"/.borealis-pg/tunnel.x/pid; echo "supervisor $$."; sleep 2';
  const { exited, text } = await dyno(`setsid bash -c '${supervisor}' & sleep 600 & echo "sleep $!."; sleep 0.5`);
  const said = (name: string) => Number(new RegExp(`${name} (\\d+)\\.`).exec(text())?.[1]);
  await expect.poll(() => said('supervisor') + said('sleep'), { timeout: 60_000 }).not.toBeNaN();
  expect(await exited).toEqual([0, null]);
  expect(() => process.kill(said('supervisor'), 0)).toThrow();
  // Killed is not yet reaped.
  await expect.poll(() => isAlive(said('sleep'), null), { timeout: 60_000 }).toBe(false);
});

test('a command cannot keep its dyno by what it writes where tunnels are noted', async () => {
  const folder = '"$HOME"/.borealis-pg/tunnel';
  const { exited } = await dyno(
    `mkdir -p ${folder}.{a,b,c}; mkfifo ${folder}.a/pid; ln -s /dev/zero ${folder}.b/pid; mkdir ${folder}.c/pid; exit 3`,
  );
  expect(await exited).toEqual([3, null]);
});
