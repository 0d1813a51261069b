import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { gatewayEvent, gatewayStatus } from '@borealis/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fingerprintOf, GatewayDirectory } from './support/gateway-directory.js';
import { GatewayProcess } from './support/gateway-process.js';
import { cut, echo, login } from './support/ssh-client.js';
import { waitFor } from './support/wait.js';

let directory: GatewayDirectory;
let gateway: GatewayProcess;

beforeEach(async () => {
  directory = new GatewayDirectory();
  gateway = await GatewayProcess.start(directory.path);
});

afterEach(async () => {
  await gateway.destroy();
  directory.remove();
});

const asAlice = () => login(gateway.port, { privateKey: directory.alice.private });
const asBob = () => login(gateway.port, { username: 'bob', privateKey: directory.bob.private });

test('status tells who is connected, in the form of the contract', async () => {
  const client = await asAlice();
  const status = gatewayStatus.parse(await gateway.status());
  expect(status).toMatchObject({ clusterId: 'c1a2b3c4', pid: gateway.child.pid, revision: 1 });
  expect(status.tunnels).toEqual([
    expect.objectContaining({ username: 'alice', kind: 'app', label: 'alice@example.com', address: '127.0.0.1' }),
  ]);
  client.end();
  await waitFor('the tunnel to be gone', async () => (await gateway.status()).tunnels.length === 0);
});

test('a reload lets new users in, ends those who are gone, and leaves the others alone', async () => {
  const [alice, bob] = [await asAlice(), await asBob()];
  const carol = directory.newKey('carol');
  directory.change({ tunnelUsers: [directory.user('alice', [directory.bob]), directory.user('carol', [carol])] });
  expect(await gateway.control({ op: 'reload' })).toEqual({ ok: true, revision: 2, kept: 0, closed: {} });
  await cut(bob);
  expect(await echo(alice, 'still here')).toBe('still here');
  (await login(gateway.port, { username: 'carol', privateKey: carol.private })).end();
  await expect(asAlice()).rejects.toThrow(); // the old key is not hers any more
  expect(gateway.events()).toContainEqual(expect.objectContaining({ username: 'bob', reason: 'user-removed' }));
  alice.end();
});

test('SIGHUP reloads, and a bad file is only logged', async () => {
  directory.change({});
  gateway.kill('SIGHUP');
  await waitFor('the new revision', async () => (await gateway.status()).revision === 2);
  directory.write('{');
  gateway.kill('SIGHUP');
  await waitFor('the log', () => gateway.log.find((line) => line.msg === 'The old configuration stays in force'));
});

test('close ends the tunnels of the users named, and no other', async () => {
  const [alice, bob] = [await asAlice(), await asBob()];
  expect(await gateway.control({ op: 'close', tunnelUsers: ['bob', 'nobody'], roles: [] })).toEqual({
    ok: true,
    tunnelsClosed: 1,
  });
  await cut(bob);
  expect(await echo(alice, 'still here')).toBe('still here');
  alice.end();
});

test('a tunnel is told by the key that opened it, and closing that key leaves the other keys of the user alone', async () => {
  const second = directory.newKey('second');
  const prints = [directory.alice, second].map((key) => fingerprintOf(key));
  directory.change({ tunnelUsers: [directory.user('alice', [directory.alice, second])] });
  await gateway.control({ op: 'reload' });
  const [old, fresh] = [await asAlice(), await login(gateway.port, { privateKey: second.private })];
  directory.change({ tunnelUsers: [directory.user('alice', [second])] });
  await gateway.control({ op: 'reload' });
  const status = gatewayStatus.parse(await gateway.status());
  expect(status.tunnels.map(({ username, fingerprint }) => [username, fingerprint])).toEqual([
    ['alice', prints[0]],
    ['alice', prints[1]],
  ]);
  const credentials = { fingerprints: [prints[0], 'SHA256:of-nobody'], verifierDigests: [] };
  const close = { op: 'close', tunnelUsers: [], roles: [], credentials };
  expect(await gateway.control(close)).toEqual({ ok: true, tunnelsClosed: 1 });
  await cut(old);
  expect(await echo(fresh, 'still here')).toBe('still here');
  fresh.end();
});

test('stop and SIGTERM end tunnels cleanly, remove the socket and exit with 0', async () => {
  const first = await asAlice();
  expect(await gateway.control({ op: 'stop' })).toEqual({ ok: true });
  await gateway.ended();
  await cut(first);
  expect(gateway.exit).toEqual({ code: 0, signal: null });
  expect(existsSync(path.join(directory.path, 'control.sock'))).toBe(false);
  expect(gateway.events().at(-1)).toMatchObject({ type: 'tunnel-destroyed', reason: 'gateway-stopped' });
  gateway = await GatewayProcess.start(directory.path);
  gateway.kill('SIGTERM');
  await gateway.ended();
  expect(gateway.exit).toEqual({ code: 0, signal: null });
});

test('after kill -9 every event is there, and a new gateway takes over the socket', async () => {
  (await asAlice()).end();
  await waitFor('both events', () => gateway.events().length === 2);
  const left = await asBob();
  gateway.kill('SIGKILL');
  await gateway.ended();
  left.destroy();
  const before = gateway.events();
  expect(before.map((event) => [event.type, event.seq])).toEqual([
    ['tunnel-created', 0],
    ['tunnel-destroyed', 1],
    ['tunnel-created', 2],
  ]);
  gateway = await GatewayProcess.start(directory.path);
  expect(gateway.exit).toBeUndefined();
  (await asAlice()).end();
  await waitFor('the new events', () => gateway.events().length === 5);
  for (const event of gateway.events()) gatewayEvent.parse(event);
  expect(readdirSync(path.join(directory.path, 'events'))).toHaveLength(2);
});

test('a second gateway in the same directory refuses to start and leaves the first alone', async () => {
  const second = await GatewayProcess.start(directory.path);
  expect(second.exit?.code).toBe(1);
  expect(second.log.at(-1)?.error).toBe(`A gateway already runs in ${directory.path}.`);
  (await asAlice()).end();
});

test('a missing file and a port in use end the start with one sentence', async () => {
  const other = new GatewayDirectory({ listen: { host: '127.0.0.1', port: gateway.port } });
  const inUse = await GatewayProcess.start(other.path);
  expect(inUse.exit?.code).toBe(1);
  expect(inUse.log.at(-1)?.error).toContain('EADDRINUSE');
  rmSync(path.join(other.path, 'gateway.json'));
  const missing = await GatewayProcess.start(other.path);
  expect(missing.log.at(-1)?.error).toBe(`${other.path}/gateway.json cannot be read: ENOENT.`);
  other.remove();
});

test('an event that cannot be written is counted, and the gateway goes on', async () => {
  rmSync(path.join(directory.path, 'events'), { recursive: true });
  writeFileSync(path.join(directory.path, 'events'), 'in the way');
  const client = await asAlice();
  expect(await gateway.counter('events_lost')).toBe(1);
  expect(await echo(client, 'still here')).toBe('still here');
  rmSync(path.join(directory.path, 'events'));
  mkdirSync(path.join(directory.path, 'events'));
  client.end();
  await waitFor('the next event', () => gateway.events().length === 1);
});

test('a listening socket that it inherits as a descriptor is served', async () => {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
  const { port } = listener.address() as net.AddressInfo;
  const other = new GatewayDirectory({ listen: { fd: 3 } });
  const heir = await GatewayProcess.start(other.path, undefined, fd);
  listener.close(); // ours would accept too
  expect(heir.port).toBe(port);
  const client = await login(port, { privateKey: other.alice.private });
  expect(await echo(client, 'hello')).toBe('hello');
  client.end();
  await heir.destroy();
  other.remove();
});
