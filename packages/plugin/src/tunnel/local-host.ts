import { lookup } from 'node:dns/promises';
import { BlockList, isIPv6 } from 'node:net';
import { tunnelHost } from '../settings.js';

/** The local end of a tunnel: the name to show and the loopback address to listen on. */
export interface LocalHost {
  name: string;
  address: string;
}

const FALLBACK: LocalHost = { name: '127.0.0.1', address: '127.0.0.1' };
const LOOKUP_LIMIT_MS = 3_000;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * The published name when it leads to this machine and nowhere else, otherwise 127.0.0.1. A resolver that answers
 * with some other address would send the user's password there.
 */
export async function localHost(name = tunnelHost(), resolve: typeof addressesOf = addressesOf): Promise<LocalHost> {
  const addresses = await resolve(name);
  const [first] = addresses;
  if (first === undefined || !addresses.every(isLoopback)) return FALLBACK;
  return { name, address: addresses.find((address) => !isIPv6(address)) ?? first };
}

async function addressesOf(name: string): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<[]>((resolve) => {
    timer = setTimeout(() => resolve([]), LOOKUP_LIMIT_MS);
  });
  try {
    const found = await Promise.race([lookup(name, { all: true }), limit]);
    return found.map(({ address }) => address);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
