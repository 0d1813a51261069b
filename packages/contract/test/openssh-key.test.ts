import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeSshKeyPair } from '../src/openssh-key.js';

test('OpenSSH reads the private key and gets the same public key, every time', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sk-'));
  try {
    for (let round = 0; round < 5; round++) {
      const { publicKey, privateKey } = makeSshKeyPair();
      const file = join(directory, `key${round}`);
      await writeFile(file, privateKey.reveal(), { mode: 0o600 });
      expect(execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim()).toBe(publicKey);
      expect(`${privateKey} ${JSON.stringify({ privateKey })}`).not.toContain('OPENSSH');
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a garbage collection in its way does not stop it', () => {
  const module = new URL('../dist/openssh-key.js', import.meta.url).href;
  const program = `import { makeSshKeyPair } from '${module}'; for (let n = 0; n < 200; n++) makeSshKeyPair();`;
  const collectOften = ['--gc-interval=97', '--input-type=module', '--eval', program];
  expect(spawnSync(process.execPath, collectOften, { timeout: 60_000 }).status).toBe(0);
}, 90_000);
