import {
  addonInfo,
  dbUsers,
  deletion,
  personalDbUser,
  personalDbUserRequest,
  personalSshUser,
} from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { listDbUsers } from '../access/db-users.js';
import type { PersonalUsers } from '../access/personal-users.js';
import { describeAddon } from '../addons/addon-info.js';
import { assertProvisioned } from '../addons/readiness.js';
import type { BackupRequests } from '../backups/backup-requests.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import type { Extensions } from '../extensions/extensions.js';
import type { DataIntegrations } from '../integrations/data-integrations.js';
import type { PlatformApi } from '../platform/platform-api.js';
import type { RotationRequests } from '../rotation/requests.js';
import type { CleanupWindows } from '../storage/cleanup-windows.js';
import type { StorageLimits } from '../storage/storage-limits.js';
import type { MajorUpgrades } from '../upgrades/major-upgrades.js';
import { type Admit, admission, params, refusals, tags } from './addon-admission.js';
import { backupRoutes } from './backup-routes.js';
import { errorHandler } from './error-handler.js';
import { extensionRoutes } from './extension-routes.js';
import { integrationRoutes } from './integration-routes.js';
import { restoreRoutes } from './restore-routes.js';
import { storageRoutes } from './storage-routes.js';
import { versionUpgradeRoutes } from './version-upgrade-routes.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  platform: PlatformApi;
  personalUsers: PersonalUsers;
  rotations: RotationRequests;
  integrations: DataIntegrations;
  limits: StorageLimits;
  cleanupWindows: CleanupWindows;
  extensions: Extensions;
  backups: BackupRequests;
  majorUpgrades: MajorUpgrades;
}

/** The add-on API: what the CLI plugin calls, with a short-lived token of the person who runs it. */
export function addonApi(parts: Parts): FastifyPluginAsyncZod {
  const admitted = admission(parts.db, parts.platform);
  return async (app) => {
    app.setErrorHandler(errorHandler(refusalBody));
    await app.register(resourceRoutes(parts, admitted));
    await app.register(integrationRoutes(parts.integrations, admitted));
    await app.register(extensionRoutes(parts.extensions, admitted));
    await app.register(storageRoutes(parts.cleanupWindows, admitted));
    await app.register(restoreRoutes(parts.db, parts.engine, admitted));
    await app.register(backupRoutes(parts.db, parts.backups, admitted));
    await app.register(versionUpgradeRoutes(parts.majorUpgrades, admitted));
    await app.register(privateTunnelRoutes);
  };
}

// Fields that are undefined are left out.
const refusalBody = ({ message, resourceType, dependencies }: AppError) => ({
  reason: message,
  resourceType,
  dependencies,
});

function resourceRoutes(
  { db, engine, limits, personalUsers, rotations }: Parts,
  admitted: Admit,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/heroku/resources/:name',
      { schema: { tags, params, response: { 200: addonInfo, ...refusals } } },
      async (request) => {
        const { addon } = await admitted(request, request.params.name);
        return describeAddon({ db, engine, limits, log: request.log }, addon);
      },
    );
    app.post(
      '/heroku/resources/:name/personal-ssh-users',
      { schema: { tags, params, response: { 201: personalSshUser, ...refusals } } },
      async (request, reply) => {
        const { addon, person } = await admitted(request, request.params.name);
        const { gateway, username, privateKey } = await personalUsers.issueSshUser(addon.id, person);
        return reply.status(201).send({
          sshHost: gateway.host,
          sshPort: gateway.port,
          sshUsername: username,
          sshPrivateKey: privateKey.reveal(),
          publicSshHostKey: gateway.hostKey,
          caCertificate: await engine.caCertificate(),
        });
      },
    );
    app.post(
      '/heroku/resources/:name/personal-db-users',
      { schema: { tags, params, body: personalDbUserRequest, response: { 201: personalDbUser, ...refusals } } },
      async (request, reply) => {
        const { addon, person } = await admitted(request, request.params.name);
        const access = request.body.enableWriteAccess ? 'rw' : 'ro';
        const issued = await personalUsers.issueDbUser(addon.id, person, access);
        return reply.status(201).send({
          dbHost: issued.host,
          dbPort: issued.port,
          dbName: issued.database,
          dbUsername: issued.username,
          dbPassword: issued.password.reveal(),
          caCertificate: await engine.caCertificate(),
        });
      },
    );
    app.get(
      '/heroku/resources/:name/db-users',
      { schema: { tags, params, response: { 200: dbUsers, ...refusals } } },
      async (request) => {
        const { addon } = await admitted(request, request.params.name);
        assertProvisioned(addon);
        return { users: await listDbUsers(db, addon.id) };
      },
    );
    app.delete(
      '/heroku/resources/:name/db-users/credentials',
      { schema: { tags, params, response: { 200: deletion, ...refusals } } },
      async (request) => {
        const { addon } = await admitted(request, request.params.name);
        await rotations.reset(addon.id);
        return { success: true as const };
      },
    );
  };
}

/** The URLs of our config vars never make a client ask for one; a client that asks all the same is told so. */
const privateTunnelRoutes: FastifyPluginAsyncZod = async (app) => {
  const refuse = async () => {
    throw new AppError('noPrivateTunnel');
  };
  const path = '/heroku/resources/:name/private-app-tunnels';
  app.post(path, { schema: { tags, params, response: refusals } }, refuse);
  const withClient = { tags, params: params.extend({ clientId: z.string() }), response: refusals };
  app.delete(`${path}/:clientId`, { schema: withClient }, refuse);
};
