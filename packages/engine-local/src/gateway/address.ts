import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { PublicGateways } from '../options.js';
import { hasOsUsers } from '../system/os-users.js';

/** Where a gateway listens, and the host that clients are told. */
export interface GatewayAddress {
  bind: string;
  port: number;
  host: string;
}

const SSH_PORT = 22;
const HIGH_PORTS = { first: 33_000, last: 60_999 };

/**
 * Finds a free address for the life of the cluster `id` of home `homeId`; `taken` are those of the home's other clusters.
 * Throws one sentence when there is none.
 */
export async function allotAddress(
  homeId: string,
  id: string,
  taken: readonly GatewayAddress[],
  outside: PublicGateways | undefined,
): Promise<GatewayAddress> {
  const isFree = async (address: GatewayAddress) =>
    !taken.some(({ bind, port }) => bind === address.bind && port === address.port) && (await canBind(address));
  for (const address of candidates(homeId, id, outside)) if (await isFree(address)) return address;
  const where = outside
    ? `ports ${outside.ports.first}-${outside.ports.last} of ${outside.bind}`
    : 'ports of 127.0.0.1';
  throw new Error(`No gateway address is left: all ${where} are in use.`);
}

function* candidates(homeId: string, id: string, outside: PublicGateways | undefined): Generator<GatewayAddress> {
  if (outside) {
    for (let port = outside.ports.first; port <= outside.ports.last; port++)
      yield { bind: outside.bind, port, host: outside.host };
    return;
  }
  if (hasOsUsers() && !isListenedEverywhere(SSH_PORT)) {
    for (let attempt = 0; attempt < 8; attempt++) {
      const bind = loopbackAddress(`${homeId}/${id}/${attempt}`);
      yield { bind, port: SSH_PORT, host: bind };
    }
  }
  const count = HIGH_PORTS.last - HIGH_PORTS.first + 1;
  const start = digest(`${homeId}/${id}`).readUInt32BE(0) % count;
  for (let step = 0; step < count; step++)
    yield { bind: '127.0.0.1', port: HIGH_PORTS.first + ((start + step) % count), host: '127.0.0.1' };
}

/** One of 16 million addresses that exist on every Linux machine and lead nowhere else; never 127.0.0.x, where others live. */
function loopbackAddress(seed: string): string {
  const [a, b, c] = digest(seed);
  return `127.${1 + (a! % 254)}.${b!}.${1 + (c! % 254)}`;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** True when something listens on that port of every address: an SSH server of the machine, whose restart we must not block. */
function isListenedEverywhere(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const listening = new RegExp(`^\\s*\\d+: 0+:${hex} \\S+ 0A `, 'm');
  return ['/proc/net/tcp', '/proc/net/tcp6'].some((path) => {
    try {
      return listening.test(readFileSync(path, 'utf8'));
    } catch {
      return false;
    }
  });
}

function canBind({ bind, port }: GatewayAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: bind, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
