import { expect, test } from 'vitest';
import {
  availableAddon,
  call,
  deprovision,
  provision,
  provisionRequest,
  stepTo,
  useService,
} from './support/harness.js';

const start = useService();
const DEV = { plan: 'dev' };

test('tenants of one major share a cluster, and each has a database, roles and a tunnel of its own', async () => {
  const harness = await start();
  const [one, two] = [await availableAddon(harness, DEV), await availableAddon(harness, DEV)];
  expect(harness.engine.counts.created).toBe(1);
  const [cluster] = harness.engine.clusters.values();
  expect(cluster).toMatchObject({ spec: { tenancy: 'shared', major: '16' } });
  const { databases, roles, tunnelUsers } = harness.engine.access;
  expect(new Set(databases.map(({ name }) => name)).size).toBe(2);
  for (const { name, owner } of databases) {
    const own = roles.filter(({ database }) => database === name).map((role) => role.name);
    expect(own).toHaveLength(2);
    expect(own).toContain(owner);
    const users = tunnelUsers.filter(({ database }) => database === name);
    expect(users.map((user) => user.roles.toSorted())).toEqual([own.toSorted()]);
  }
  expect(tunnelUsers.map(({ label }) => label).sort()).toEqual([one.id, two.id].sort());
  const info = (await call(harness.service, one.token, 'GET', one.name)).json();
  expect(info).toMatchObject({ dbTenancyType: 'shared', planName: 'dev', dbStorageMaxBytes: 2 ** 30 });
});

test('each major has a shared cluster of its own', async () => {
  const harness = await start();
  await availableAddon(harness, DEV);
  await availableAddon(harness, { ...DEV, options: { version: '13' } });
  expect([...harness.engine.clusters.values()].map(({ spec }) => spec.major).sort()).toEqual(['13', '16']);
});

test('a person’s credentials open his own database only', async () => {
  const harness = await start();
  const [one, two] = [await availableAddon(harness, DEV), await availableAddon(harness, DEV)];
  const made = await call(harness.service, one.token, 'POST', `${one.name}/personal-ssh-users`);
  await call(harness.service, one.token, 'POST', `${one.name}/personal-db-users`, { enableWriteAccess: true });
  const user = harness.engine.access.tunnelUsers.find(({ username }) => username === made.json().sshUsername)!;
  const { roles } = harness.engine.access;
  const reached = roles.filter(({ name }) => user.roles.includes(name)).map(({ database }) => database);
  expect(new Set(reached)).toEqual(new Set([user.database]));
  expect((await call(harness.service, one.token, 'GET', two.name)).statusCode).toBe(404);
});

test('who leaves takes his database along, and the others stay as they are', async () => {
  const harness = await start();
  const [one, two] = [await availableAddon(harness, DEV), await availableAddon(harness, DEV)];
  const gone = harness.engine.access.tunnelUsers.find(({ label }) => label === one.id)!.database;
  await deprovision(harness.service, one.id);
  await stepTo(harness.service, one.id, null);
  const [clusterId] = harness.engine.clusters.keys();
  expect(harness.engine.dropped).toEqual([`${clusterId}/${gone}`]);
  expect(harness.engine.counts.destroyed).toBe(0);
  expect(harness.engine.access.tunnelUsers.map(({ label }) => label)).toEqual([two.id]);
  expect((await harness.pool.query('select id from cluster')).rows).toEqual([{ id: clusterId }]);
});

test('a database that cannot be dropped yet is dropped later, and nobody gets in meanwhile', async () => {
  const harness = await start();
  const [one] = [await availableAddon(harness, DEV), await availableAddon(harness, DEV)];
  harness.engine.before = (name) => {
    if (name === 'dropDatabase') throw new Error('not now');
  };
  await deprovision(harness.service, one.id);
  await harness.service.strands.step(one.id);
  await harness.service.strands.step(one.id);
  expect(harness.engine.access.tunnelUsers.map(({ label }) => label)).not.toContain(one.id);
  harness.engine.before = () => {};
  await stepTo(harness.service, one.id, null);
  expect(harness.engine.dropped).toHaveLength(1);
});

test('one that leaves before it had credentials leaves nothing', async () => {
  const harness = await start();
  await availableAddon(harness, DEV);
  const request = provisionRequest(harness.platform, DEV);
  await provision(harness.service, request);
  await stepTo(harness.service, request.uuid, 'createCluster');
  await deprovision(harness.service, request.uuid);
  await stepTo(harness.service, request.uuid, null);
  expect(harness.engine.dropped).toEqual([]);
  expect((await harness.pool.query('select from addon')).rowCount).toBe(1);
});
