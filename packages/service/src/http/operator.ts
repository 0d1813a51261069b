import { partnerError, restoreToken, type Secret } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { AddonOverview } from '../addons/addon-overview.js';
import type { FailoverDrill } from '../addons/failover-drill.js';
import type { BackupRequests } from '../backups/backup-requests.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import type { EventReader } from '../events/event-reader.js';
import type { Metrics } from '../metrics.js';
import type { ChangeFinder } from '../restore/change-finder.js';
import { findBackup, STORED_BACKUP } from '../restore/find-backup.js';
import { issueImportToken } from '../restore/restore-tokens.js';
import type { RotationRequests } from '../rotation/requests.js';
import type { MaintenanceWindows } from '../upgrades/maintenance-windows.js';
import type { MajorReverts } from '../upgrades/major-reverts.js';
import type { SharedMajorUpgrades } from '../upgrades/major-shared.js';
import type { MinorUpgrades } from '../upgrades/minor-upgrades.js';
import type { ReleasesOverview } from '../upgrades/releases-overview.js';
import { bearerToken, sameSecret } from './authorization.js';
import { operatorBackupRoutes } from './backup-routes.js';
import { changeRoutes } from './change-routes.js';
import { drillRoutes } from './drill-routes.js';
import { errorHandler } from './error-handler.js';
import { gatewayRoutes } from './gateway-routes.js';
import { releaseRoutes } from './release-routes.js';
import { upgradeRoutes } from './upgrade-routes.js';

const addon = z.object({
  id: z.string(),
  name: z.string(),
  plan: z.string(),
  postgresMajor: z.string(),
  clusterId: z.string(),
  status: z.string(),
  storage: z.enum(['ok', 'proximity-warning', 'violating', 'restricted']),
  /** As last measured. */
  usageBytes: z.number(),
  authorization: z.enum(['granted', 'live', 'dead']).nullable(),
  label: z.string().nullable(),
  sentence: z.string().nullable(),
  /** While the cluster is being made: what the engine is doing. */
  detail: z.string().nullable(),
  tries: z.number(),
  parked: z.boolean(),
  error: z.string().nullable(),
  createdAt: z.string(),
});

const event = z.object({
  at: z.string(),
  addonId: z.string().nullable(),
  addonName: z.string().nullable(),
  type: z.string(),
  attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

const eventQuery = z.object({
  /** The cursor of the answer before; only what happens from now on when it is not given. */
  after: z
    .string()
    .regex(/^\d{1,18}\.\d{1,18}$/, 'must be the cursor of an earlier answer')
    .optional(),
  wait: z.coerce.number().min(0).max(60).default(0),
});

interface Parts {
  token: Secret;
  db: ControlDatabase;
  engine: Engine;
  strands: Strands;
  rotations: RotationRequests;
  backups: BackupRequests;
  overview: AddonOverview;
  events: EventReader;
  metrics: Metrics;
  changes: ChangeFinder;
  upgrades: { minor: MinorUpgrades; reverts: MajorReverts; shared: SharedMajorUpgrades };
  releases: ReleasesOverview;
  windows: MaintenanceWindows;
  drill: FailoverDrill;
}

const params = z.object({ uuid: z.uuid().toLowerCase() });
const tags = ['operator'];
const refusals = { 400: partnerError, 401: partnerError, 500: partnerError };

/** What the operator sees: every add-on with what it is doing, what happens as it happens, and metrics; how he wakes what is parked, renews credentials, begins an import, finds what took rows away, replaces gateways, puts other releases in place and has a standby take over. */
export function operatorApi(parts: Parts): FastifyPluginAsyncZod {
  const { db, engine, token, strands, rotations, backups, overview, events, metrics, changes, upgrades, drill } = parts;
  return async (app) => {
    app.setErrorHandler(errorHandler(({ message }) => ({ message })));
    app.addHook('onRequest', async (request) => {
      const given = bearerToken(request.headers.authorization);
      if (!given || !sameSecret(given.reveal(), token.reveal())) throw new AppError('unauthorized');
    });
    app.get('/operator/addons', { schema: { tags, response: { 200: z.array(addon), ...refusals } } }, () =>
      overview.list(),
    );
    // A parked workflow waits for this: its alarm comes every hour until then.
    app.post(
      '/operator/addons/:uuid/retry',
      { schema: { tags, params, response: { 204: z.null(), 404: partnerError, ...refusals } } },
      async (request, reply) => {
        if (!(await strands.retry(request.params.uuid))) throw new AppError('notParked');
        return reply.status(204).send(null);
      },
    );
    app.post(
      '/operator/addons/:uuid/rotate',
      {
        schema: {
          tags,
          params,
          response: { 202: z.null(), 404: partnerError, 409: partnerError, 422: partnerError, ...refusals },
        },
      },
      async (request, reply) => {
        await rotations.rotate(request.params.uuid);
        return reply.status(202).send(null);
      },
    );
    await app.register(operatorBackupRoutes(db, backups));
    const backup = z.object({ name: z.string().regex(STORED_BACKUP, 'must be the name of a backup') });
    app.post(
      '/operator/backups/:name/restore-tokens',
      {
        schema: {
          ...{ tags, params: backup },
          response: { 201: restoreToken, 422: partnerError, 503: partnerError, ...refusals },
        },
      },
      async (request, reply) => {
        await findBackup(engine, request.params.name);
        const issued = await issueImportToken(db, request.params.name);
        return reply.status(201).send({ restoreToken: issued.reveal() });
      },
    );
    const page = z.object({ events: z.array(event), cursor: z.string() });
    app.get(
      '/operator/events',
      { schema: { tags, querystring: eventQuery, response: { 200: page, ...refusals } } },
      ({ query }) => events.read(query.after ?? null, query.wait),
    );
    await app.register(changeRoutes(changes));
    await app.register(upgradeRoutes(upgrades));
    await app.register(releaseRoutes(parts.releases, parts.windows));
    await app.register(drillRoutes(drill));
    await app.register(gatewayRoutes(db, engine));
    app.get('/metrics', { schema: { tags, response: { 200: z.string(), ...refusals } } }, async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.text()),
    );
  };
}
