import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GatewayDirectory, type Key } from './support/gateway-directory.js';
import { GatewayProcess } from './support/gateway-process.js';
import { echo, forward, login } from './support/ssh-client.js';
import { waitFor } from './support/wait.js';

let directory: GatewayDirectory;
let gateway: GatewayProcess;

beforeAll(async () => {
  directory = new GatewayDirectory();
  const old = { ...directory.user('carol', [directory.alice]), validUntil: '2020-01-01T00:00:00.000Z' };
  const rsa = directory.user('rsa', [directory.newKey('rsa', 'rsa')]);
  const ecdsa = directory.user('ecdsa', [directory.newKey('ecdsa', 'ecdsa')]);
  const weak = directory.user('weak', [directory.newKey('weak', 'rsa', 1024), directory.bob]);
  directory.change({ tunnelUsers: [...directory.config.tunnelUsers, old, rsa, ecdsa, weak] });
  gateway = await GatewayProcess.start(directory.path);
});

afterAll(async () => {
  await gateway.destroy();
  directory.remove();
});

function loginWith(username: string, file: string) {
  return login(gateway.port, { username, privateKey: readFileSync(`${directory.path}/${file}.key`) });
}

test.each(['alice', 'bob', 'rsa', 'ecdsa'])('%s logs in with its key and data comes back unchanged', async (name) => {
  const client = await loginWith(name, name);
  expect(await echo(client, 'hello')).toBe('hello');
  client.end();
});

test.each([
  ['an unknown user', 'nobody', 'alice'],
  ['a key of another user', 'alice', 'bob'],
  ['a user whose time is over', 'carol', 'alice'],
  ['an RSA key below 2048 bits', 'weak', 'weak'],
])('%s is refused', async (_what, username, file) => {
  await expect(loginWith(username, file)).rejects.toThrow('authentication methods failed');
});

test('the other keys of a user with an unusable key work, and the log names the user', async () => {
  const client = await loginWith('weak', 'bob');
  client.end();
  expect(gateway.log).toContainEqual(
    expect.objectContaining({ username: 'weak', msg: 'A public key is not accepted' }),
  );
});

test('a password is refused', async () => {
  await expect(login(gateway.port, { username: 'alice', password: 'secret' })).rejects.toThrow(
    'authentication methods failed',
  );
});

test('a wrong destination is refused with a sentence, and the connection stays usable', async () => {
  const client = await loginWith('alice', 'alice');
  await expect(forward(client, 'other.test')).rejects.toThrow('this tunnel leads to primary.test:5432');
  await expect(forward(client, 'primary.test', 22)).rejects.toThrow('this tunnel leads to');
  expect(await echo(client, 'still here')).toBe('still here');
  client.end();
});

test('a failure in one channel ends that channel alone', async () => {
  const client = await loginWith('alice', 'alice');
  const channel = await forward(client, 'replica.test');
  channel.resume();
  await new Promise((resolve) => channel.once('close', resolve));
  expect(await echo(client, 'still here')).toBe('still here');
  client.end();
});

test.each([
  ['aes256-ctr', 'hmac-sha2-256-etm@openssh.com'],
  ['aes128-ctr', 'hmac-sha2-512'],
] as const)('a client without AES-GCM gets %s with %s', async (cipher, hmac) => {
  const algorithms = { cipher: [cipher], hmac: [hmac] };
  const client = await login(gateway.port, { privateKey: directory.alice.private, algorithms });
  expect(await echo(client, 'hello')).toBe('hello');
  client.end();
});

test.each(['chacha20-poly1305@openssh.com', 'aes256-cbc'] as const)('%s is not offered', async (cipher) => {
  const algorithms = { cipher: [cipher] };
  await expect(login(gateway.port, { privateKey: directory.alice.private, algorithms })).rejects.toThrow('cipher');
});

test('a user opens as many tunnels as the limit and no more, and others are not touched', async () => {
  const small = new GatewayDirectory({ limits: { tunnelsPerUser: 2 } });
  const tight = await GatewayProcess.start(small.path);
  const enter = (username: 'alice' | 'bob') => login(tight.port, { username, privateKey: small[username].private });
  const [first, second] = [await enter('alice'), await enter('alice')];
  await expect(enter('alice')).rejects.toThrow();
  const { tunnels, counters } = await tight.status();
  expect(tunnels).toHaveLength(2);
  expect(counters).toMatchObject({ 'cut_too-many-tunnels': 1, tunnels: 2 });
  expect(counters.login_failures).toBeUndefined();
  const other = await enter('bob');
  first.end();
  await waitFor('the first tunnel to end', async () => (await tight.status()).tunnels.length === 2);
  const third = await enter('alice');
  expect(await echo(third, 'hello')).toBe('hello');
  for (const client of [second, third, other]) client.end();
  await tight.destroy();
  small.remove();
});

test('the users of one database share its tunnels and channels, and those of another are not touched', async () => {
  const small = new GatewayDirectory();
  const carol = { ...small.user('carol', [small.alice]), database: 'other' };
  small.change({
    tunnelUsers: [...small.config.tunnelUsers, carol],
    limits: { tunnelsPerDatabase: 2, channelsPerDatabase: 3 },
  });
  const tight = await GatewayProcess.start(small.path);
  const enter = (username: string, key: Key) => login(tight.port, { username, privateKey: key.private });
  const [first, second] = [await enter('alice', small.alice), await enter('bob', small.bob)];
  await expect(enter('bob', small.bob)).rejects.toThrow();
  expect((await tight.status()).counters).toMatchObject({ 'cut_database-full': 1, tunnels: 2 });
  const channels = [await forward(first), await forward(first), await forward(second)];
  for (const full of [first, second])
    await expect(forward(full)).rejects.toThrow('too many connections to this database');
  const neighbour = await enter('carol', small.alice);
  expect(await echo(neighbour, 'hello')).toBe('hello');
  channels[0]!.destroy();
  const again = await waitFor('room for another channel', () => forward(second).catch(() => null));
  again.destroy();
  for (const client of [first, second, neighbour]) client.end();
  await tight.destroy();
  small.remove();
});
