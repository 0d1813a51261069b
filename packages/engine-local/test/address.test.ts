import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { allotAddress } from '../src/gateway/address.js';
import { parsePortRange } from '../src/options.js';

// Of its own: the same test may run in another checkout at this moment.
const HOME = randomBytes(4).toString('hex');
const BIND = process.platform === 'linux' ? `127.77.${randomInt(256)}.${1 + randomInt(254)}` : '127.0.0.1';

const open: ReturnType<typeof createServer>[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function occupy(host: string, port: number): Promise<void> {
  const server = createServer().listen(port, host);
  open.push(server);
  await once(server, 'listening');
}

test('the same cluster is given the same address, two clusters two', async () => {
  const one = await allotAddress(HOME, 'one1', [], undefined);
  expect(await allotAddress(HOME, 'one1', [], undefined)).toEqual(one);
  expect(await allotAddress(HOME, 'two2', [], undefined)).not.toEqual(one);
  expect(one.host).toMatch(/^127\./);
});

test('an address that is listened on, or allotted to another cluster, is not given', async () => {
  const one = await allotAddress(HOME, 'one1', [], undefined);
  const beside = await allotAddress(HOME, 'one1', [one], undefined);
  expect(beside).not.toEqual(one);
  await occupy(one.bind, one.port);
  expect(await allotAddress(HOME, 'one1', [], undefined)).toEqual(beside);
});

test('public gateways take the first free port of their range and tell the public host', async () => {
  const outside = { host: 'db.example.com', bind: BIND, ports: { first: 22_990, last: 22_992 } };
  await occupy(BIND, 22_990);
  const first = await allotAddress(HOME, 'one1', [], outside);
  expect(first).toEqual({ bind: BIND, port: 22_991, host: 'db.example.com' });
  const second = await allotAddress(HOME, 'two2', [first], outside);
  expect(second.port).toBe(22_992);
  await expect(allotAddress(HOME, 'six6', [first, second], outside)).rejects.toThrow(
    `No gateway address is left: all ports 22990-22992 of ${BIND} are in use.`,
  );
});

test('ranges of ports are read, and nonsense is refused', () => {
  expect(parsePortRange('22000-22999')).toEqual({ first: 22_000, last: 22_999 });
  for (const text of ['22000', '0-5', '5-4', '1-70000', 'a-b', ''])
    expect(() => parsePortRange(text)).toThrow(/first-last/);
});
