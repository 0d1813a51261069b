import { Refused } from '../refusals.js';

/** The values of a SCRAM message (`a=...,b=...`) that has exactly these attributes in this order; throws `Refused` on any other. */
export function attributes<K extends string>(text: string, order: readonly K[]): Record<K, string> {
  const parts = text.split(',');
  if (parts.length !== order.length) throw new Refused('scram_malformed', `attributes ${order.join(', ')} expected`);
  const entries = order.map((name, i) => {
    const part = parts[i]!;
    if (!part.startsWith(`${name}=`)) throw new Refused('scram_malformed', `attribute "${name}" expected`);
    return [name, part.slice(2)] as const;
  });
  return Object.fromEntries(entries) as Record<K, string>;
}

/** RFC 5802: a nonce is printable ASCII without a comma. */
export function checkNonce(nonce: string): void {
  if (!/^[\x21-\x2b\x2d-\x7e]{1,256}$/.test(nonce)) throw new Refused('scram_malformed', 'the nonce is not printable');
}
