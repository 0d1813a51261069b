import { dataIntegrations, deletion, integrationRegistered, integrationRequest } from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { assertProvisioned } from '../addons/readiness.js';
import type { DataIntegrations } from '../integrations/data-integrations.js';
import { type Admit, params, refusals, tags } from './addon-admission.js';

const PATH = '/heroku/resources/:name/data-integrations';
const ofIntegration = params.extend({ integration: z.string() });

/** Services outside that get a tunnel of their own. */
export function integrationRoutes(integrations: DataIntegrations, admitted: Admit): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(PATH, { schema: { tags, params, response: { 200: dataIntegrations, ...refusals } } }, async (request) => {
      const { addon } = await admitted(request, request.params.name);
      assertProvisioned(addon);
      return { integrations: await integrations.list(addon.id) };
    });
    app.post(
      PATH,
      { schema: { tags, params, body: integrationRequest, response: { 201: integrationRegistered, ...refusals } } },
      async (request, reply) => {
        const { addon, person } = await admitted(request, request.params.name);
        const { integrationName: name, sshPublicKey: publicKey, enableWriteAccess } = request.body;
        const access = enableWriteAccess ? 'rw' : 'ro';
        const made = await integrations.register(addon.id, person, { name, publicKey, access });
        return reply.status(201).send({
          dbHost: made.host,
          dbPort: made.port,
          dbName: made.database,
          dbUsername: made.role,
          dbPassword: made.password.reveal(),
          sshHost: made.gateway.host,
          sshPort: made.gateway.port,
          sshUsername: made.username,
          publicSshHostKey: made.gateway.hostKey,
        });
      },
    );
    app.delete(
      `${PATH}/:integration`,
      { schema: { tags, params: ofIntegration, response: { 200: deletion, ...refusals } } },
      async (request) => {
        const { addon, person } = await admitted(request, request.params.name);
        await integrations.remove(addon.id, person, request.params.integration);
        return { success: true } as const;
      },
    );
  };
}
