import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isAlive } from '../src/process-identity.js';
import { supervise } from '../src/supervisor.js';

const module = fileURLToPath(new URL('./fixtures/child.mjs', import.meta.url));

test('a killed process is started again, a stopped one is not', async () => {
  const restarts: string[] = [];
  const supervised = await supervise({
    name: 'child',
    module,
    env: process.env,
    onRestart: (line) => restarts.push(line),
  });
  const first = supervised.pid!;
  process.kill(first, 'SIGKILL');
  await expect.poll(() => supervised.pid !== first && supervised.pid !== undefined, { timeout: 10_000 }).toBe(true);
  expect(restarts).toEqual(['The child process ended (SIGKILL); starting it again.']);
  const second = supervised.pid!;
  await supervised.stop(10);
  expect(isAlive(second, null)).toBe(false);
  expect(restarts).toHaveLength(1);
});

test('a first start that fails tells why, and is not repeated', async () => {
  const start = supervise({
    name: 'child',
    module,
    env: { ...process.env, CHILD_FAILS: '1' },
    onRestart: () => expect.fail('restarted'),
  });
  await expect(start).rejects.toThrow('the disk is full');
});
