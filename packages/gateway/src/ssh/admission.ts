import type { GatewayLimits } from '@borealis/contract';
import { limitKey, siteKey } from './addresses.js';

/** How many times the per-address limit a whole IPv6 site (/48) gets. */
const SITE_FACTOR = 4;

export type Refusal = 'refused-global' | 'refused-address' | 'refused-total';

/**
 * Counts connections that have not logged in yet, in all and by address. A trusted address (loopback, `neverBan`: many
 * clients look like one there) counts only in all.
 */
export class Admission {
  readonly #byKey = new Map<string, number>();
  #waiting = 0;

  constructor(
    private limits: GatewayLimits,
    private trusted: (address: string) => boolean,
  ) {}

  configure(limits: GatewayLimits, trusted: (address: string) => boolean): void {
    this.limits = limits;
    this.trusted = trusted;
  }

  /** Admits a new connection and gives the function that ends its count (once; later calls do nothing), or says why not. */
  admit(address: string, connections: number): (() => void) | Refusal {
    if (connections >= this.limits.connections) return 'refused-total';
    if (this.#waiting >= this.limits.unauthenticatedConnections) return 'refused-global';
    const keys = this.trusted(address) ? [] : this.#keys(address);
    if (keys.some(([key, limit]) => (this.#byKey.get(key) ?? 0) >= limit)) return 'refused-address';
    return this.#count(keys.map(([key]) => key));
  }

  #keys(address: string): [string, number][] {
    const limit = this.limits.unauthenticatedPerAddress;
    const site = siteKey(address);
    return site === null
      ? [[limitKey(address), limit]]
      : [
          [limitKey(address), limit],
          [site, limit * SITE_FACTOR],
        ];
  }

  #count(keys: string[]): () => void {
    this.#waiting++;
    for (const key of keys) this.#byKey.set(key, (this.#byKey.get(key) ?? 0) + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#waiting--;
      for (const key of keys) this.#drop(key);
    };
  }

  #drop(key: string): void {
    const left = (this.#byKey.get(key) ?? 1) - 1;
    if (left > 0) this.#byKey.set(key, left);
    else this.#byKey.delete(key);
  }
}
