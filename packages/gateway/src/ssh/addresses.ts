import { BlockList, isIP, isIPv4 } from 'node:net';

/** The plain form of an address: an IPv4 address mapped into IPv6 is told as IPv4, a zone is dropped. */
export function plainAddress(address: string): string {
  const bare = address.split('%')[0] ?? address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  return mapped !== undefined && isIPv4(mapped) ? mapped : bare;
}

/** The eight 16-bit groups of an IPv6 address. The address must be valid. */
function groups(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return [...front, ...(tail === undefined ? [] : gap), ...back].map((group) =>
    Number.parseInt(group, 16).toString(16),
  );
}

/** Who is counted for an address: one IPv4 address, or a /64 of IPv6, since a host can take any address of its /64. */
export function limitKey(address: string): string {
  return isIP(address) === 6 ? `${groups(address).slice(0, 4).join(':')}::/64` : address;
}

/** The site of an IPv6 address (/48), counted with a limit of its own; null for IPv4. */
export function siteKey(address: string): string | null {
  return isIP(address) === 6 ? `${groups(address).slice(0, 3).join(':')}::/48` : null;
}

/**
 * A set of address ranges, loopback always among them.
 * Throws an Error that names the entry when one is neither an address nor a CIDR range.
 */
export function addressRanges(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  list.addSubnet('127.0.0.0', 8, 'ipv4');
  list.addAddress('::1', 'ipv6');
  for (const entry of entries) addRange(list, entry);
  return (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function addRange(list: BlockList, entry: string): void {
  const [network = '', length, ...rest] = entry.split('/');
  const family = isIP(network);
  const widest = family === 6 ? 128 : 32;
  const bits = length === undefined ? widest : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (family === 0 || rest.length > 0 || bits < 0 || bits > widest) {
    throw new Error(`limits.neverBan has '${entry}': an address or a range such as 10.0.0.0/8 is needed.`);
  }
  list.addSubnet(network, bits, family === 6 ? 'ipv6' : 'ipv4');
}
