import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { PublishedPlugin } from '../src/testing/published-plugin.js';

/** The very library that the published plugin sends its requests with. */
const { HTTP } = createRequire(createRequire(import.meta.url).resolve('@heroku-cli/command'))('@heroku/http-call');

const received: string[] = [];
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', (data) => {
    received.push(data.toString());
    socket.end(
      'HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"done":true}',
    );
  });
});
const resource = () =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}/heroku/resources/borealis-pg-hex-12345`;
const headers = { Authorization: 'Bearer temporary-token' };

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  received.length = 0;
});

const plugin = () =>
  new PublishedPlugin({
    baseUrl: resource().replace('/heroku/resources/borealis-pg-hex-12345', ''),
    token: 'temporary-token',
    addonName: 'borealis-pg-hex-12345',
  });

test.each([
  ['info', () => plugin().info(), () => HTTP.get(resource(), { headers })],
  [
    'personal-ssh-users',
    () => plugin().personalSshUsers(),
    () => HTTP.post(`${resource()}/personal-ssh-users`, { headers }),
  ],
  [
    'personal-db-users',
    () => plugin().personalDbUsers(false),
    () => HTTP.post(`${resource()}/personal-db-users`, { headers, body: { enableWriteAccess: false } }),
  ],
  ['extensions', () => plugin().extensions(), () => HTTP.get(`${resource()}/pg-extensions`, { headers })],
  [
    'extensions:install',
    () => plugin().installExtension('hstore'),
    () => HTTP.post(`${resource()}/pg-extensions`, { headers, body: { pgExtensionName: 'hstore' } }),
  ],
  [
    'extensions:remove',
    () => plugin().removeExtension('uuid-ossp'),
    () => HTTP.delete(`${resource()}/pg-extensions/uuid-ossp`, { headers }),
  ],
  ['integrations', () => plugin().integrations(), () => HTTP.get(`${resource()}/data-integrations`, { headers })],
  [
    'integrations:register',
    () => plugin().registerIntegration('etl', 'ssh-ed25519 AAAA me', true),
    () =>
      HTTP.post(`${resource()}/data-integrations`, {
        headers,
        body: { integrationName: 'etl', sshPublicKey: 'ssh-ed25519 AAAA me', enableWriteAccess: true },
      }),
  ],
  [
    'integrations:remove',
    () => plugin().removeIntegration('etl'),
    () => HTTP.delete(`${resource()}/data-integrations/etl`, { headers }),
  ],
  ['users', () => plugin().users(), () => HTTP.get(`${resource()}/db-users`, { headers })],
  ['users:reset', () => plugin().resetUsers(), () => HTTP.delete(`${resource()}/db-users/credentials`, { headers })],
  [
    'restore:capabilities',
    () => plugin().restoreCapabilities(),
    () => HTTP.get(`${resource()}/restore-capabilities`, { headers }),
  ],
  ['upgrade:info', () => plugin().upgradeInfo(), () => HTTP.get(`${resource()}/pg-version-upgrades`, { headers })],
  [
    'upgrade:execute',
    () => plugin().executeUpgrade(),
    () => HTTP.post(`${resource()}/pg-version-upgrades`, { headers }),
  ],
  [
    'upgrade:cancel',
    () => plugin().cancelUpgrade(),
    () => HTTP.delete(`${resource()}/pg-version-upgrades/current`, { headers }),
  ],
  ['restore:execute', () => plugin().restoreToken(), () => HTTP.post(`${resource()}/restore-tokens`, { headers })],
])('%s is byte for byte what the published plugin sends', async (_, ours, theirs) => {
  await theirs();
  await ours();
  expect(received).toHaveLength(2);
  expect(received[1]).toBe(received[0]);
  expect(received[1]).not.toMatch(/^accept:/im);
});

test('answers are handed over as they are', async () => {
  const answer = await plugin().personalSshUsers();
  expect(answer).toMatchObject({ status: 201, text: '{"done":true}', json: { done: true } });
});
