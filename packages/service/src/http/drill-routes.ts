import { partnerError } from '@borealis/contract';
import { PRIMARY_REPLACEMENTS } from '@borealis/engine';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { FailoverDrill } from '../addons/failover-drill.js';

const body = z.object({ how: z.enum(PRIMARY_REPLACEMENTS) });
const outcome = z.object({ milliseconds: z.number(), kept: z.number().nullable(), closed: z.number().nullable() });
const params = z.object({ uuid: z.uuid().toLowerCase() });
const E = partnerError;
const refusals = { 400: E, 401: E, 404: E, 422: E, 500: E, 503: E };

/** A failover on demand; the answer comes when the cluster has put itself in order after it. */
export function drillRoutes(drill: FailoverDrill): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/operator/addons/:uuid/failover',
      { schema: { tags: ['operator'], params, body, response: { 200: outcome, ...refusals } } },
      ({ params: { uuid }, body: { how } }) => drill.run(uuid, how),
    );
  };
}
