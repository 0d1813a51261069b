import type { GatewayLimits } from '@borealis/contract';
import { limitKey } from './addresses.js';

/** Addresses and users remembered at most; the longest unseen is forgotten first, so that a spray costs no memory. */
const REMEMBERED = 10_000;

/** How long the answer to a failed login is held back for whom we slow instead of banning, in milliseconds. */
const SLOW_MS = 1000;

interface Memory {
  failures: number;
  last: number;
}

/** What a ban table needs from outside. Times are milliseconds. */
export interface BanSurroundings {
  now(): number;
  /** True for addresses that are slowed, never banned: loopback and `neverBan`. */
  trusted(address: string): boolean;
  /** True while a tunnel from there is open: its owner must not be locked out by a neighbour behind the same address. */
  hasTunnel(key: string): boolean;
  started(address: string, failures: number): void;
  ended(address: string): void;
}

/**
 * Remembers failed logins by address and by user, and bans addresses. A record is forgotten after `banSeconds` without
 * a failure or with a good login. Bans do not outlive the process.
 */
export class Bans {
  readonly #addresses = new Map<string, Memory>();
  readonly #users = new Map<string, Memory>();
  readonly #banned = new Map<string, { address: string; until: number }>();

  constructor(
    private limits: Pick<GatewayLimits, 'banAfterFailures' | 'banSeconds'>,
    private readonly around: BanSurroundings,
  ) {}

  configure(limits: Pick<GatewayLimits, 'banAfterFailures' | 'banSeconds'>): void {
    this.limits = limits;
  }

  /** True while connections from this address are to be dropped unheard. */
  isBanned(address: string): boolean {
    const ban = this.#banned.get(limitKey(address));
    return ban !== undefined && ban.until > this.around.now();
  }

  /** Counts a failed login; may start a ban. */
  failed(address: string, username: string | null): void {
    if (username !== null) this.#bump(this.#users, username);
    const key = limitKey(address);
    const failures = this.#bump(this.#addresses, key);
    if (failures < this.limits.banAfterFailures || this.#banned.has(key)) return;
    if (this.around.trusted(address) || this.around.hasTunnel(key) || this.#banned.size >= REMEMBERED) return;
    this.#banned.set(key, { address, until: this.around.now() + this.limits.banSeconds * 1000 });
    this.#addresses.delete(key);
    this.around.started(address, failures);
  }

  /** Forgets the failures of an address and a user: they have proved themselves. */
  succeeded(address: string, username: string): void {
    this.#addresses.delete(limitKey(address));
    this.#users.delete(username);
  }

  /** Milliseconds to hold back the refusal of a login from here: those who may not be banned, and users under attack. */
  delayFor(address: string, username: string): number {
    const limit = this.limits.banAfterFailures;
    const slow =
      this.#failures(this.#addresses, limitKey(address)) >= limit || this.#failures(this.#users, username) >= limit;
    return slow ? SLOW_MS : 0;
  }

  /** Ends the bans whose time is over; to be called every second or so. */
  sweep(): void {
    for (const [key, ban] of this.#banned) {
      if (ban.until > this.around.now()) continue;
      this.#banned.delete(key);
      this.around.ended(ban.address);
    }
  }

  /** Ends every ban: the process stops and forgets them. */
  clear(): void {
    for (const ban of this.#banned.values()) this.around.ended(ban.address);
    this.#banned.clear();
  }

  #failures(records: Map<string, Memory>, key: string): number {
    const record = records.get(key);
    return record && this.#fresh(record) ? record.failures : 0;
  }

  #fresh(record: Memory): boolean {
    return this.around.now() - record.last < this.limits.banSeconds * 1000;
  }

  #bump(records: Map<string, Memory>, key: string): number {
    const failures = this.#failures(records, key) + 1;
    records.delete(key);
    records.set(key, { failures, last: this.around.now() });
    const oldest = records.keys().next();
    if (records.size > REMEMBERED && !oldest.done) records.delete(oldest.value);
    return failures;
  }
}
