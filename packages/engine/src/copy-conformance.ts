import assert from 'node:assert/strict';
import { formatVerifier, makeVerifier } from '@borealis/contract';
import { rejects, untilReady } from './conformance-support.js';
import type { Clients, Visitor } from './credential-conformance.js';
import type { ClusterAccess, ClusterOrigin, ClusterSpec, Engine } from './engine.js';

const COPY = 'conform2';
const TO = { database: 'copied', owner: 'app_rw_copied' };

/** A cluster to be copied: it runs, and its access document lists this database and its owner. */
export interface CopySource {
  id: string;
  spec: ClusterSpec;
  database: string;
  owner: string;
}

/** A copy of the present: what it has of its source, what it has not, and what is refused. */
export async function copiesCluster(engine: Engine, clients: Clients, source: CopySource): Promise<void> {
  const origin: ClusterOrigin = {
    clusterId: source.id,
    moment: null,
    renames: {
      databases: [{ from: source.database, to: TO.database }],
      roles: [{ from: source.owner, to: TO.owner }],
    },
  };
  await refusesOrigins(engine, source.spec, origin);
  const { name, version } = await engine.installExtension(source.id, source.database, 'citext');
  const before = await engine.cluster(source.id);
  const spec = { ...source.spec, origin };
  const states = await Promise.all([engine.createCluster(COPY, spec), engine.createCluster(COPY, spec)]);
  const ready = await untilReady(engine, COPY);
  assert.deepEqual(states[0].gateway, ready.gateway);
  assert.deepEqual(ready.spec, spec);
  assert.equal(ready.accessRevision, 0);
  await engine.removeExtension(source.id, source.database, name);

  const visitor = await letIn(engine, clients);
  const { installed } = await engine.extensions(COPY, TO.database);
  assert.deepEqual(
    installed.map((extension) => [extension.name, extension.version]),
    [[name, version]],
  );
  const databases = Object.keys(await engine.usage(COPY));
  assert.ok(databases.includes(TO.database) && !databases.includes(source.database));
  await (await clients.enter(ready, visitor)).leave();
  assert.notEqual(ready.gateway?.hostKey, before?.gateway?.hostKey);
  assert.equal((await engine.cluster(source.id))?.accessRevision, before?.accessRevision);

  await engine.createCluster(COPY, spec);
  await rejects(engine.createCluster(COPY, source.spec), 'conflict');
  await engine.destroyCluster(COPY);
  assert.equal(await engine.cluster(COPY), null);
  assert.equal((await engine.cluster(source.id))?.phase, 'ready');
}

async function refusesOrigins(engine: Engine, spec: ClusterSpec, origin: ClusterOrigin): Promise<void> {
  const create = (change: Partial<ClusterSpec>, other: Partial<ClusterOrigin> = {}) =>
    engine.createCluster(COPY, { ...spec, origin: { ...origin, ...other }, ...change });
  await rejects(create({}, { clusterId: 'unknown1' }), 'not_found');
  await rejects(create({ tenancy: 'shared' }), 'unsupported');
  await rejects(create({ major: spec.major === '16' ? '17' : '16' }), 'unsupported');
  await rejects(create({}, { moment: '2001-02-03T04:05:06.000007+01:00' }), 'unsupported');
  await rejects(create({}, { moment: '2999-01-01T00:00:00Z' }), 'unsupported');
  await rejects(create({}, { renames: { databases: [], roles: [{ from: 'postgres', to: 'p_rw_x' }] } }), 'unsupported');
  assert.equal(await engine.cluster(COPY), null);
}

/** Gives the copy an access document of its own, with one visitor. */
async function letIn(engine: Engine, clients: Clients): Promise<Visitor> {
  const key = clients.makeKey();
  const visitor = { tunnelUser: 'copied-app', key, role: TO.owner, password: 'of-the-copy', database: TO.database };
  const user = { username: visitor.tunnelUser, kind: 'app' as const, label: 'conformance', publicKeys: [key.public] };
  const access: ClusterAccess = {
    revision: 1,
    databases: [{ name: TO.database, owner: TO.owner }],
    roles: [
      {
        name: TO.owner,
        database: TO.database,
        verifiers: [formatVerifier(await makeVerifier(visitor.password))],
        validUntil: null,
      },
    ],
    tunnelUsers: [{ ...user, database: TO.database, roles: [TO.owner], validUntil: null }],
  };
  await engine.applyAccess(COPY, access);
  return visitor;
}
