import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../src/failure.js';
import { supervise } from '../src/supervisor.js';
import { isAlive } from './support/process-identity.js';

const module = fileURLToPath(new URL('./fixtures/child.mjs', import.meta.url));
const slow = fileURLToPath(new URL('./fixtures/slow-child.mjs', import.meta.url));

test('a killed process is started again, a stopped one is not', async () => {
  const restarts: string[] = [];
  const supervised = supervise({
    name: 'child',
    module,
    env: process.env,
    onRestart: (line) => restarts.push(line),
  });
  await supervised.ready;
  const first = supervised.pid!;
  process.kill(first, 'SIGKILL');
  await expect.poll(() => supervised.pid !== first && supervised.pid !== undefined, { timeout: 60_000 }).toBe(true);
  expect(restarts).toEqual(['The child process ended (SIGKILL); starting it again.']);
  const second = supervised.pid!;
  await supervised.stop(10);
  expect(isAlive(second, null)).toBe(false);
  expect(restarts).toHaveLength(1);
});

test('a first start that fails tells why in a sentence for people, and is not repeated', async () => {
  const { ready } = supervise({
    name: 'child',
    module,
    env: { ...process.env, CHILD_FAILS: '1' },
    onRestart: () => expect.fail('restarted'),
  });
  const failure = await ready.then(
    () => null,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(Failure);
  expect((failure as Failure).message).toBe('the disk is full');
});

/** Stops a process in the midst of its start. */
async function stopWhileStarting(finishStart: boolean, early: boolean): Promise<{ stopped: boolean; alive: boolean }> {
  const directory = mkdtempSync(join(tmpdir(), 'sup-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const mark = join(directory, 'mark');
  const child = supervise({
    name: 'child',
    module: slow,
    env: { ...process.env, MARK: mark, FINISH: finishStart ? '1' : '0' },
    onRestart: () => expect.fail('restarted'),
  });
  child.ready.catch(() => {});
  if (!early) await expect.poll(() => existsSync(`${mark}.starting`), { timeout: 60_000 }).toBe(true);
  const pid = child.pid!;
  await child.stop(20);
  return { stopped: existsSync(`${mark}.stopped`), alive: isAlive(pid, null) };
}

test('stopped in the midst of its start, a process that has something to stop finishes the start and stops it', async () => {
  expect(await stopWhileStarting(true, false)).toEqual({ stopped: true, alive: false });
});

test('stopped before its code is even loaded, it hears of it all the same', async () => {
  expect(await stopWhileStarting(true, true)).toEqual({ stopped: true, alive: false });
});

test('stopped in the midst of its start, any other process just ends', async () => {
  expect(await stopWhileStarting(false, false)).toEqual({ stopped: false, alive: false });
});
