import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { allotAddress } from '../src/gateway/address.js';
import { parsePortRange } from '../src/options.js';

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
  const one = await allotAddress('home01', 'one1', [], undefined);
  expect(await allotAddress('home01', 'one1', [], undefined)).toEqual(one);
  expect(await allotAddress('home01', 'two2', [], undefined)).not.toEqual(one);
  expect(one.host).toMatch(/^127\./);
});

test('an address that is listened on, or allotted to another cluster, is not given', async () => {
  const one = await allotAddress('home01', 'one1', [], undefined);
  const beside = await allotAddress('home01', 'one1', [one], undefined);
  expect(beside).not.toEqual(one);
  await occupy(one.bind, one.port);
  expect(await allotAddress('home01', 'one1', [], undefined)).toEqual(beside);
});

test('public gateways take the first free port of their range and tell the public host', async () => {
  const outside = { host: 'db.example.com', bind: '127.0.0.1', ports: { first: 22_990, last: 22_992 } };
  await occupy('127.0.0.1', 22_990);
  const first = await allotAddress('home01', 'one1', [], outside);
  expect(first).toEqual({ bind: '127.0.0.1', port: 22_991, host: 'db.example.com' });
  const second = await allotAddress('home01', 'two2', [first], outside);
  expect(second.port).toBe(22_992);
  await expect(allotAddress('home01', 'six6', [first, second], outside)).rejects.toThrow(
    'No gateway address is left: all ports 22990-22992 of 127.0.0.1 are in use.',
  );
});

test('ranges of ports are read, and nonsense is refused', () => {
  expect(parsePortRange('22000-22999')).toEqual({ first: 22_000, last: 22_999 });
  for (const text of ['22000', '0-5', '5-4', '1-70000', 'a-b', ''])
    expect(() => parsePortRange(text)).toThrow(/first-last/);
});
