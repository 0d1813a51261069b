import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { GatewayConfigInput, TunnelUser } from '@borealis/contract';
import ssh2 from 'ssh2';
import { sshKey } from '../../../../test/support/ssh-key.js';

export interface Key {
  /** OpenSSH private key. */
  private: string;
  /** OpenSSH one-line public key. */
  public: string;
  /** The private key as a file of mode 0600, for `ssh -i`. */
  file: string;
}

/** As `ssh-keygen -l` prints it. */
export function fingerprintOf(key: Key): string {
  const hash = createHash('sha256').update(Buffer.from(key.public.split(' ')[1]!, 'base64'));
  return `SHA256:${hash.digest('base64').replace(/=*$/, '')}`;
}

/** What a test changes in the configuration before it is written. */
export type Overrides = Partial<Omit<GatewayConfigInput, 'limits'>> & { limits?: Record<string, unknown> };

/** A gateway's directory with a configuration that is valid for the SSH side, and two users with a key each. */
export class GatewayDirectory {
  readonly path = mkdtempSync(path.join(os.tmpdir(), 'bgw-'));
  readonly alice = this.newKey('alice');
  readonly bob = this.newKey('bob');
  readonly hostKeys = [this.newKey('host'), this.newKey('host2', 'ecdsa')];
  config: GatewayConfigInput;

  constructor(overrides: Overrides = {}) {
    const base: GatewayConfigInput = {
      clusterId: 'c1a2b3c4',
      revision: 1,
      tenancy: 'isolated',
      listen: { host: '127.0.0.1', port: 0 },
      hosts: { primary: 'primary.test', replica: 'replica.test', port: 5432 },
      generation: 1,
      primary: { socketDirectory: this.path, port: 5432 },
      replica: null,
      backendAuth: { method: 'peer' },
      sshHostKeys: this.hostKeys.map((key) => key.private),
      tls: { certificate: '', privateKey: '' },
      mockSecret: randomBytes(32).toString('base64'),
      tunnelUsers: [this.user('alice', [this.alice]), this.user('bob', [this.bob], 'personal')],
      roles: [],
    };
    this.config = { ...base, ...overrides } as GatewayConfigInput;
    this.write();
  }

  user(username: string, keys: Key[], kind: TunnelUser['kind'] = 'app'): TunnelUser {
    const publicKeys = keys.map((key) => key.public);
    return {
      username,
      kind,
      label: `${username}@example.com`,
      publicKeys,
      database: 'app',
      roles: [],
      validUntil: null,
    };
  }

  /** Changes the configuration, gives it the next revision, and writes the file. */
  change(overrides: Overrides): void {
    this.config = { ...this.config, revision: this.config.revision + 1, ...overrides } as GatewayConfigInput;
    this.write();
  }

  write(text = JSON.stringify(this.config)): void {
    writeFileSync(path.join(this.path, 'gateway.json'), text, { mode: 0o600 });
  }

  newKey(name: string, type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519', bits?: number): Key {
    // The types of ssh2 want a literal; at run time both are right.
    const pair =
      type === 'ed25519'
        ? sshKey()
        : ssh2.utils.generateKeyPairSync(type as 'rsa', { bits: bits ?? (type === 'rsa' ? 2048 : 256) });
    const file = path.join(this.path, `${name}.key`);
    writeFileSync(file, pair.private, { mode: 0o600 });
    return { private: pair.private, public: pair.public, file };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
