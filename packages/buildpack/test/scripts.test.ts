import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PACKAGE, slug } from './support/dyno.js';

const scripts = ['bin', 'exec.d', 'lib', 'profile.d', 'scripts'].flatMap((folder) =>
  readdirSync(join(PACKAGE, folder)).map((name) => join(folder, name)),
);

test.each(scripts)('%s parses', (script) => {
  expect(spawnSync('bash', ['-n', join(PACKAGE, script)], { encoding: 'utf8' })).toMatchObject({
    status: 0,
    stderr: '',
  });
});

const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0;
test.skipIf(!hasShellcheck)('shellcheck has nothing to say (needs shellcheck)', () => {
  const paths = scripts.map((script) => join(PACKAGE, script));
  expect(spawnSync('shellcheck', ['--severity=warning', ...paths], { encoding: 'utf8' }).stdout).toBe('');
});

test('detect takes every app and release adds nothing', () => {
  expect(execFileSync(join(PACKAGE, 'bin/detect'), ['/nowhere'], { encoding: 'utf8' })).toBe(
    'Borealis Isolated Postgres tunnel\n',
  );
  expect(execFileSync(join(PACKAGE, 'bin/release'), ['/nowhere'], { encoding: 'utf8' })).toBe('--- {}\n');
});

test('compile puts both scripts where the product document says, the same the second time', () => {
  const home = slug();
  const expected = {
    '.profile.d/borealis-pg-init-secure-tunnel.sh': 'profile.d',
    '.borealis-pg/server-shutdown-wait.sh': 'scripts',
  };
  for (let round = 0; round < 2; round++) {
    for (const [path, folder] of Object.entries(expected)) {
      const source = join(PACKAGE, folder, path.split('/')[1]!);
      expect(readFileSync(join(home, path), 'utf8')).toBe(readFileSync(source, 'utf8'));
    }
    execFileSync(join(PACKAGE, 'bin/compile'), [home, '/nowhere', '/nowhere']);
  }
  expect(statSync(join(home, '.borealis-pg/server-shutdown-wait.sh')).mode & 0o111).toBe(0o111);
  expect(readdirSync(join(home, '.borealis-pg'))).toEqual(['server-shutdown-wait.sh']);
});
