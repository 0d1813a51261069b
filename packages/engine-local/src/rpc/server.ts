import { chmod, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ChangeQuery, MajorRevertRequest, MajorUpgradeRequest, MinorUpgradeRequest } from '@borealis/contract';
import {
  type ClusterAccess,
  type ClusterSpec,
  type Engine,
  type EngineErrorCode,
  PRIMARY_REPLACEMENTS,
} from '@borealis/engine';
import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import { sessionOwners } from '../cluster/schemas.js';
import type { ControlDatabase } from '../control-database.js';
import { toEngineError } from '../errors.js';

/** What the keeper offers on its socket. */
export interface KeeperService {
  engine: Engine;
  ensureControlDatabase(): Promise<ControlDatabase>;
  log: Logger;
}

const STATUS: Record<EngineErrorCode, number> = {
  conflict: 409,
  unsupported: 422,
  exists: 409,
  not_found: 404,
  dependencies: 400,
  dependents: 400,
  not_ready: 503,
  no_room: 507,
  unavailable: 503,
  internal: 500,
};

const BODY_LIMIT_BYTES = 16 * 1024 * 1024;
const byId = z.object({ id: z.string() });
const eventsQuery = z.object({ cursor: z.string().optional(), wait: z.coerce.number().default(0) });

/** Serves the engine's calls; listening comes separately. */
export function buildRpcServer({ engine, ensureControlDatabase, log }: KeeperService): FastifyInstance {
  const app = fastify({ forceCloseConnections: true, bodyLimit: BODY_LIMIT_BYTES });
  app.setErrorHandler((error, request, reply) => {
    const known = toEngineError(error);
    if (known.code === 'internal') log.error({ err: error, url: request.url }, 'a call failed');
    return reply.code(STATUS[known.code]).send({ code: known.code, message: known.message, details: known.details });
  });
  app.get('/releases', () => engine.releases());
  app.post('/releases/:id/allow', async ({ params }, reply) => {
    await engine.allowRelease(byId.parse(params).id);
    return reply.code(204).send();
  });
  app.get('/capacity', () => engine.capacity());
  app.get('/ca', async () => ({ certificate: await engine.caCertificate() }));
  app.put('/control-database', async () => {
    const { password, ...database } = await ensureControlDatabase();
    return { ...database, password: password.reveal() };
  });
  app.get('/events', ({ query }) => {
    const { cursor, wait } = eventsQuery.parse(query);
    return engine.events(cursor ?? null, wait);
  });
  addClusterRoutes(app, engine);
  addDatabaseRoutes(app, engine);
  return app;
}

const upgradeName = z.object({ request: z.string() });
const replacement = z.object({ how: z.enum(PRIMARY_REPLACEMENTS) });

/** Documents are checked by the engine itself, whoever calls it. */
function addClusterRoutes(app: FastifyInstance, engine: Engine): void {
  const idOf = (params: unknown) => byId.parse(params).id;
  app.put('/clusters/:id', ({ params, body }) => engine.createCluster(idOf(params), body as ClusterSpec));
  app.post('/clusters/:id/change', ({ params, body }) => engine.changeCluster(idOf(params), body as ClusterSpec));
  app.post('/clusters/:id/replace-primary', ({ params, body }) =>
    engine.replacePrimary(idOf(params), replacement.parse(body).how),
  );
  app.get('/clusters/:id', async ({ params }) => ({ cluster: await engine.cluster(idOf(params)) }));
  app.get('/clusters/:id/credential-use', ({ params }) => engine.credentialUse(idOf(params)));
  app.post('/clusters/:id/upgrade-gateway', ({ params }) => engine.upgradeGateway(idOf(params)));
  app.get('/clusters/:id/restore-window', async ({ params }) => ({ window: await engine.restoreWindow(idOf(params)) }));
  app.get('/stored-clusters/:id', async ({ params }) => ({ stored: await engine.storedCluster(idOf(params)) }));
  app.get('/stored-databases/:id', async ({ params }) => ({ stored: await engine.storedDatabase(idOf(params)) }));
  app.post('/clusters/:id/minor-upgrade', ({ params, body }) =>
    engine.upgradeMinor(idOf(params), body as MinorUpgradeRequest),
  );
  app.post('/clusters/:id/major-upgrade', ({ params, body }) =>
    engine.upgradeMajor(idOf(params), body as MajorUpgradeRequest),
  );
  app.post('/clusters/:id/major-upgrade/cancel', ({ params, body }) =>
    engine.cancelMajorUpgrade(idOf(params), upgradeName.parse(body).request),
  );
  app.post('/clusters/:id/major-upgrade/revert', ({ params, body }) =>
    engine.revertMajorUpgrade(idOf(params), body as MajorRevertRequest),
  );
  app.get('/clusters/:id/usage', ({ params }) => engine.usage(idOf(params)));
  app.put('/clusters/:id/access', async ({ params, body }, reply) => {
    await engine.applyAccess(idOf(params), body as ClusterAccess);
    return reply.code(204).send();
  });
  app.post('/clusters/:id/close-sessions', async ({ params, body }, reply) => {
    await engine.closeSessions(idOf(params), sessionOwners.parse(body));
    return reply.code(204).send();
  });
  app.delete('/clusters/:id', async ({ params }, reply) => {
    await engine.destroyCluster(idOf(params));
    return reply.code(204).send();
  });
}

const copySource = z.object({ clusterId: z.string(), backup: z.string() });
const dumpName = z.object({ backup: z.string(), dump: z.string() });
const inDatabase = z.object({ id: z.string(), database: z.string() });
const byName = inDatabase.extend({ name: z.string() });

function addDatabaseRoutes(app: FastifyInstance, engine: Engine): void {
  const path = '/clusters/:id/databases/:database';
  app.delete(path, async ({ params }, reply) => {
    const { id, database } = inDatabase.parse(params);
    await engine.dropDatabase(id, database);
    return reply.code(204).send();
  });
  app.get(`${path}/stored-backup`, async ({ params }) => {
    const { id, database } = inDatabase.parse(params);
    return { backup: await engine.storedBackup(id, database) };
  });
  addBackupRoutes(app, engine, `${path}/backups`);
  app.post(`${path}/copy`, async ({ params, body }) => {
    const { id, database } = inDatabase.parse(params);
    return { copied: await engine.copyDatabase(id, database, copySource.parse(body)) };
  });
  app.post(`${path}/fill`, async ({ params, body }) => {
    const { id, database } = inDatabase.parse(params);
    return { filled: await engine.fillDatabase(id, database, dumpName.parse(body)) };
  });
  app.post(`${path}/changes`, ({ params, body }) => {
    const { id, database } = inDatabase.parse(params);
    return engine.findChanges(id, database, body as ChangeQuery);
  });
  app.get(`${path}/extensions`, ({ params }) => {
    const { id, database } = inDatabase.parse(params);
    return engine.extensions(id, database);
  });
  app.put(`${path}/extensions/:name`, ({ params }) => {
    const { id, database, name } = byName.parse(params);
    return engine.installExtension(id, database, name);
  });
  app.delete(`${path}/extensions/:name`, async ({ params }, reply) => {
    const { id, database, name } = byName.parse(params);
    await engine.removeExtension(id, database, name);
    return reply.code(204).send();
  });
}

function addBackupRoutes(app: FastifyInstance, engine: Engine, path: string): void {
  app.get(path, async ({ params }) => {
    const { id, database } = inDatabase.parse(params);
    return { backups: await engine.backups(id, database) };
  });
  const one = `${path}/:name`;
  const parts = (params: unknown) => {
    const { id, database, name } = byName.parse(params);
    return [id, database, name] as const;
  };
  app.put(one, ({ params }) => engine.backUpDatabase(...parts(params)));
  app.post(`${one}/prove`, ({ params }) => engine.proveBackup(...parts(params)));
  app.get(`${one}/content`, async ({ params }, reply) => {
    const content = Readable.from(await engine.readBackup(...parts(params)), { objectMode: false });
    return reply.type('application/octet-stream').send(content);
  });
  app.delete(one, async ({ params }, reply) => {
    await engine.dropBackup(...parts(params));
    return reply.code(204).send();
  });
}

/** Listens on the socket, open to this process's user only from its first moment on. Replaces a dead keeper's. */
export async function listenOnSocket(app: FastifyInstance, path: string): Promise<void> {
  await app.ready();
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    app.server.once('error', reject);
    // The socket file is made within this call.
    const before = process.umask(0o177);
    try {
      app.server.listen(path, resolve);
    } finally {
      process.umask(before);
    }
  });
  await chmod(path, 0o600);
}
