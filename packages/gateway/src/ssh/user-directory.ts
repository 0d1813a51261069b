import { createHmac, randomBytes } from 'node:crypto';
import type { TunnelUser } from '@borealis/contract';
import ssh2 from 'ssh2';
import { acceptableKey } from './public-keys.js';

/**
 * Finds the tunnel user that a key belongs to. Names and keys are looked up together, by a keyed hash: a user that does
 * not exist and a key that is not its own take the same path and the same time.
 */
export class UserDirectory {
  readonly #byHash = new Map<string, TunnelUser>();
  readonly #byName = new Map<string, TunnelUser>();
  readonly #secret = randomBytes(32);
  /** Users that have a key which can never be accepted, with the reason. */
  readonly unusable: { username: string; reason: string }[] = [];

  constructor(users: readonly TunnelUser[]) {
    for (const user of users) {
      this.#byName.set(user.username, user);
      for (const line of user.publicKeys) this.#add(user, line);
    }
  }

  /** The user of this name, when this key (in SSH wire form) is one of its keys. */
  find(username: string, key: Buffer): TunnelUser | undefined {
    return this.#byHash.get(this.#hash(username, key));
  }

  has(username: string): boolean {
    return this.#byName.has(username);
  }

  #add(user: TunnelUser, line: string): void {
    const parsed = ssh2.utils.parseKey(line);
    const reason = parsed instanceof Error ? 'it cannot be read' : acceptableKey(parsed.getPublicSSH());
    if (parsed instanceof Error || typeof reason === 'string') {
      this.unusable.push({ username: user.username, reason: reason ?? '' });
      return;
    }
    this.#byHash.set(this.#hash(user.username, parsed.getPublicSSH()), user);
  }

  #hash(username: string, key: Buffer): string {
    return createHmac('sha256', this.#secret).update(`${username}\0`).update(key).digest('base64');
  }
}
