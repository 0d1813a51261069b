import { execFileSync } from 'node:child_process';
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
