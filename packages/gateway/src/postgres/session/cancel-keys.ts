import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

/** What a cancel key leads to. */
export interface Cancellable {
  readonly tunnelUser: string;
  /** Asks the server to cancel; resolves when it has taken the request. */
  cancel(): Promise<void>;
}

/**
 * The keys that clients get in place of PostgreSQL's own, so that a session can be moved and keeps its key, and so that
 * a key is worth nothing in another user's tunnel.
 */
export class CancelKeys {
  readonly #keys = new Map<number, { secret: Buffer; session: Cancellable }>();

  /** A new key; `revoke` it by its process id when the session ends. */
  issue(secretBytes: number, session: Cancellable): { pid: number; secret: Buffer } {
    let pid = randomInt(1, 2 ** 31);
    while (this.#keys.has(pid)) pid = randomInt(1, 2 ** 31);
    const secret = randomBytes(secretBytes);
    this.#keys.set(pid, { secret, session });
    return { pid, secret };
  }

  revoke(pid: number): void {
    this.#keys.delete(pid);
  }

  /** The session with this key, if it was opened by this tunnel user. */
  find(tunnelUser: string, pid: number, secret: Buffer): Cancellable | null {
    const entry = this.#keys.get(pid);
    if (entry?.session.tunnelUser !== tunnelUser || entry.secret.length !== secret.length) return null;
    return timingSafeEqual(entry.secret, secret) ? entry.session : null;
  }
}
