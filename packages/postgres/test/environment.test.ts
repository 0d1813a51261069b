import { afterEach, expect, test, vi } from 'vitest';
import { withoutStoreAccess } from '../src/environment.js';
import { run } from '../src/run.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('programs that are run do not see what opens an object store', async () => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'hunter2');
  vi.stubEnv('SOME_SETTING', 'kept');
  const { stdout } = await run('env', []);
  expect(stdout).toContain('SOME_SETTING=kept');
  expect(stdout).not.toContain('hunter2');
  expect(withoutStoreAccess({ AWS_SESSION_TOKEN: 'hunter2', LAWS_: '1' })).toEqual({ LAWS_: '1' });
});
