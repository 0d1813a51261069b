import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { Victim } from './support/hostile.js';
import { cut, echo, open, rawChannel, TARGET } from './support/ssh-client.js';
import { waitFor } from './support/wait.js';

const victim = new Victim({ authenticationRequests: 30, badSignatures: 3, banAfterFailures: 1000 });

const counted = (label: string) => waitFor(`the count of ${label}`, () => victim.gateway.counter(label));

test.each([0, 1, 1023])('a maximum packet size of %i is refused, and the connection stays usable', async (size) => {
  const client = await victim.login();
  await expect(rawChannel(client, 0, 2 ** 31, size)).rejects.toThrow('the maximum packet size is too small');
  await victim.servesOthers();
  client.end();
});

test('key exchange after key exchange is cut', async () => {
  const client = await victim.login();
  client.on('handshake', () => client._protocol.rekey());
  client._protocol.rekey();
  await cut(client);
  expect(await counted('cut_rekey-storm')).toBe(1);
});

test('compression is never agreed to', async () => {
  const client = open(victim.port, { privateKey: victim.directory.alice.private, algorithms: { compress: ['zlib'] } });
  const error = await new Promise<Error>((resolve) => client.once('error', resolve));
  expect(error.message).toContain('compression');
});

test('a window beyond 2^32-1 is cut', async () => {
  const client = await victim.login();
  const channel = await rawChannel(client, 0, 2 ** 31, 32_768);
  client._protocol.channelWindowAdjust(channel, 2 ** 31);
  await cut(client);
  expect(await counted('cut_window-overflow')).toBe(1);
});

test('data for a channel that is not open is cut', async () => {
  const client = await victim.login();
  client._protocol.channelData(77, Buffer.from('x'));
  await cut(client);
  expect(await counted('cut_unknown-channel')).toBe(1);
});

test('data after EOF and a second EOF are cut', async () => {
  for (const violate of ['channelData', 'channelEOF'] as const) {
    const client = await victim.login();
    const channel = await rawChannel(client, 0, 65_536, 32_768);
    client._protocol.channelEOF(channel);
    client._protocol[violate](channel, Buffer.from('x'));
    await cut(client);
  }
  expect(await counted('cut_window-violated')).toBe(1);
  expect(await counted('cut_unexpected-message')).toBe(1);
});

test('channel messages before login are cut', async () => {
  const before = await victim.gateway.counter('cut_unexpected-message');
  const client = open(victim.port, { authHandler: () => {} });
  await new Promise((resolve) => client.once('handshake', resolve));
  client._protocol.directTcpip(0, 65_536, 32_768, TARGET);
  await cut(client);
  expect(await counted('cut_unexpected-message')).toBe(before + 1);
});

test('password after password is cut at the limit', async () => {
  let attempts = 0;
  const authHandler = () => {
    attempts++;
    return { type: 'password' as const, username: 'alice', password: 'guess' };
  };
  const client = open(victim.port, { authHandler });
  await cut(client);
  expect(attempts).toBeLessThanOrEqual(31);
  expect(await counted('cut_auth-requests')).toBe(1);
});

test('signature after bad signature is cut at the limit', async () => {
  const { alice, bob } = victim.directory;
  const real = ssh2.utils.parseKey(alice.private);
  const wrong = ssh2.utils.parseKey(bob.private);
  if (real instanceof Error || wrong instanceof Error) throw new Error('unreadable test key');
  const forged = Object.assign(Object.create(real), { sign: (data: Buffer) => wrong.sign(data) });
  const tunnels = victim.gateway.events().filter((event) => event.type === 'tunnel-created').length;
  const client = open(victim.port, { authHandler: () => ({ type: 'publickey', username: 'alice', key: forged }) });
  await cut(client);
  expect(await counted('cut_bad-signatures')).toBe(1);
  expect(victim.gateway.events().filter((event) => event.type === 'tunnel-created')).toHaveLength(tunnels);
});

test('requests on a channel and unknown global requests are refused, and the connection stays usable', async () => {
  const client = await victim.login();
  const refused = await new Promise<boolean>((resolve) => {
    client.forwardIn('127.0.0.1', 0, (error) => resolve(error !== undefined));
  });
  expect(refused).toBe(true);
  await expect(new Promise((_resolve, reject) => client.exec('id', (error) => reject(error)))).rejects.toThrow(
    'only forwarding to primary.test:5432',
  );
  expect(await echo(client, 'still here')).toBe('still here');
  client.end();
});
