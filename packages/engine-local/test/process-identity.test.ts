import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { findProcesses, identify, isAlive } from '../src/system/process-identity.js';
import { terminate } from '../src/system/termination.js';

test('a process is itself until it ends, and a successor with its pid is not', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'a-very-own-argument']);
  const exited = once(child, 'exit');
  const identity = (await identify(child.pid!))!;
  expect(await isAlive(identity)).toBe(true);
  expect(await isAlive({ ...identity, startTime: '1' })).toBe(false);
  expect(await isAlive({ ...identity, bootId: 'another' })).toBe(false);
  await terminate(identity, 30);
  await exited;
  expect(await isAlive(identity)).toBe(false);
  expect(await identify(child.pid!)).toBeNull();
});

test('processes are found by an argument as a whole and by their user', async () => {
  const path = `/some/own/path/of/${process.pid}`;
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', path]);
  await once(child, 'spawn');
  const exited = once(child, 'exit');
  const pids = async (uid: number | null, argument: string) =>
    (await findProcesses(uid, argument)).map(({ pid }) => pid);
  expect(await pids(process.getuid!(), path)).toEqual([child.pid]);
  expect(await pids(null, path.slice(0, -1))).toEqual([]);
  expect(await pids(65_533, path)).toEqual([]);
  child.kill();
  await exited;
});
