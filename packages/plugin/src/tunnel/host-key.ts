import { timingSafeEqual } from 'node:crypto';
import { CLIError } from '@oclif/core/errors';
import type { ServerHostKeyAlgorithm } from 'ssh2';

/** The only host key that the SSH server may show, and the signature algorithms that go with a key of its type. */
export interface HostKey {
  algorithms: ServerHostKeyAlgorithm[];
  key: Buffer;
}

// A key of type ssh-rsa signs with SHA-2; its own name would mean SHA-1.
const ALGORITHMS: Record<string, ServerHostKeyAlgorithm[]> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Reads `<type> <base64>[ comment]`, a line as in `known_hosts`. Throws on a type that is not safe to use. */
export function parseHostKey(line: string): HostKey {
  const [type = '', base64 = ''] = line.trim().split(/\s+/);
  const algorithms = ALGORITHMS[type];
  const key = Buffer.from(base64, 'base64');
  if (algorithms === undefined || key.length === 0)
    throw new CLIError('The add-on service gave an SSH host key of a kind that this plugin cannot verify');
  return { algorithms, key };
}

export function isHostKey(expected: HostKey, shown: Buffer): boolean {
  return shown.length === expected.key.length && timingSafeEqual(shown, expected.key);
}
