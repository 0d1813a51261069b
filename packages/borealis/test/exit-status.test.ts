import { expect, test } from 'vitest';
import { exitStatus } from '../src/exit-status.js';

test.each([
  [0, null, 0],
  [3, null, 3],
  [null, 'SIGTERM', 143],
  [null, 'SIGKILL', 137],
] as const)('a program that ended with %s, %s has the status %i', (code, signal, status) => {
  expect(exitStatus(code, signal)).toBe(status);
});
