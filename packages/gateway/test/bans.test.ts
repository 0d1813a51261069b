import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { Bans } from '../src/ssh/bans.js';
import { GatewayDirectory } from './support/gateway-directory.js';
import { GatewayProcess } from './support/gateway-process.js';
import { login, open } from './support/ssh-client.js';
import { waitFor } from './support/wait.js';

/** A ban table with a clock of its own. */
function table(options: { trusted?: string[]; tunnels?: string[] } = {}) {
  const state = { now: 0, log: [] as string[] };
  const bans = new Bans(
    { banAfterFailures: 3, banSeconds: 60 },
    {
      now: () => state.now,
      trusted: (address) => options.trusted?.includes(address) ?? false,
      hasTunnel: (key) => options.tunnels?.includes(key) ?? false,
      started: (address, failures) => state.log.push(`start ${address} ${failures}`),
      ended: (address) => state.log.push(`end ${address}`),
    },
  );
  const fail = (address: string, times = 3) => {
    for (let i = 0; i < times; i++) bans.failed(address, 'alice');
  };
  return { bans, state, fail };
}

describe('the ban table', () => {
  test('bans after the limit, for the time given, and tells both', () => {
    const { bans, state, fail } = table();
    fail('192.0.2.1', 2);
    expect(bans.isBanned('192.0.2.1')).toBe(false);
    fail('192.0.2.1', 1);
    expect(bans.isBanned('192.0.2.1')).toBe(true);
    expect(bans.isBanned('192.0.2.2')).toBe(false);
    state.now = 59_999;
    expect(bans.isBanned('192.0.2.1')).toBe(true);
    state.now = 60_000;
    expect(bans.isBanned('192.0.2.1')).toBe(false);
    bans.sweep();
    expect(state.log).toEqual(['start 192.0.2.1 3', 'end 192.0.2.1']);
  });

  test('a neighbour in the same /64 is banned with it, one in another is not', () => {
    const { bans, fail } = table();
    fail('2001:db8::1');
    expect(bans.isBanned('2001:db8::ffff')).toBe(true);
    expect(bans.isBanned('2001:db8:0:1::1')).toBe(false);
  });

  test('failures far apart and failures before a good login do not add up', () => {
    const { bans, state, fail } = table();
    fail('192.0.2.1', 2);
    state.now = 60_000;
    fail('192.0.2.1', 2);
    bans.succeeded('192.0.2.1', 'alice');
    fail('192.0.2.1', 2);
    expect(bans.isBanned('192.0.2.1')).toBe(false);
  });

  test('trusted addresses and those with an open tunnel are slowed, never banned', () => {
    const { bans, fail } = table({ trusted: ['127.0.0.1'], tunnels: ['192.0.2.9'] });
    for (const address of ['127.0.0.1', '192.0.2.9']) {
      fail(address, 50);
      expect(bans.isBanned(address)).toBe(false);
      expect(bans.delayFor(address, 'somebody')).toBeGreaterThan(0);
    }
  });

  test('a user under attack from many addresses is slowed everywhere, others are not', () => {
    const { bans, fail } = table();
    for (const last of [1, 2, 3]) fail(`192.0.2.${last}`, 1);
    expect(bans.delayFor('198.51.100.1', 'alice')).toBeGreaterThan(0);
    expect(bans.delayFor('198.51.100.1', 'bob')).toBe(0);
  });
});

const ownAddress = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find((one) => !one.internal && one.family === 'IPv4')?.address;

test.skipIf(!ownAddress)('a ban starts and ends over the network (needs an address that is not loopback)', async () => {
  const limits = (banSeconds: number) => ({ banAfterFailures: 3, banSeconds });
  const directory = new GatewayDirectory({ listen: { host: ownAddress!, port: 0 }, limits: limits(600) });
  let gateway = await GatewayProcess.start(directory.path);
  const bans = (type: 'ban-started' | 'ban-ended') => gateway.events().filter((event) => event.type === type);
  const fail = () =>
    expect(login(gateway.port, { host: ownAddress!, privateKey: directory.bob.private })).rejects.toThrow();
  for (let i = 0; i < 3; i++) await fail();
  await waitFor('the ban', () => bans('ban-started').length === 1);
  expect(bans('ban-started')).toMatchObject([{ address: ownAddress, failures: 3 }]);
  const good = { host: ownAddress!, privateKey: directory.alice.private };
  const refused = open(gateway.port, good);
  await waitFor('the refusal', () => gateway.counter('refused-banned'));
  refused.destroy();

  // The same with a ban that is soon over.
  await gateway.destroy();
  directory.change({ limits: limits(2) });
  gateway = await GatewayProcess.start(directory.path);
  await waitFor('another ban', async () => {
    await fail();
    return bans('ban-started').length === 2;
  });
  await waitFor('the end of the ban', () => bans('ban-ended').length === 1);
  const client = await login(gateway.port, good);
  client.end();
  await gateway.destroy();
  directory.remove();
});
