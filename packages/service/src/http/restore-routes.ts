import { restoreCapabilities, restoreToken } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { assertProvisioned } from '../addons/readiness.js';
import type { ControlDatabase } from '../database.js';
import { restoreCapabilitiesOf } from '../restore/capabilities.js';
import { issueRestoreToken } from '../restore/restore-tokens.js';
import { type Admit, params, refusals, tags } from './addon-admission.js';

/** What copies of the add-on can be made, and the token that makes one. */
export function restoreRoutes(db: ControlDatabase, engine: Engine, admitted: Admit): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/heroku/resources/:name/restore-capabilities',
      { schema: { tags, params, response: { 200: restoreCapabilities, ...refusals } } },
      async (request) => {
        const { addon } = await admitted(request, request.params.name);
        assertProvisioned(addon);
        return restoreCapabilitiesOf(db, engine, addon);
      },
    );
    app.post(
      '/heroku/resources/:name/restore-tokens',
      { schema: { tags, params, response: { 201: restoreToken, ...refusals } } },
      async (request, reply) => {
        const { addon, person } = await admitted(request, request.params.name);
        const token = await issueRestoreToken(db, addon.id, person);
        return reply.status(201).send({ restoreToken: token.reveal() });
      },
    );
  };
}
