import { changeQuery, changeSearch, partnerError } from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ChangeFinder } from '../restore/change-finder.js';
import { parseMoment } from '../restore/moment.js';

const query = changeQuery.extend({ search: z.uuid() });
const params = z.object({ uuid: z.uuid().toLowerCase() });
const E = partnerError;
const refusals = { 400: E, 401: E, 404: E, 422: E, 500: E, 503: E };

/** The search for what took rows away: the same request is repeated until it has found. */
export function changeRoutes(changes: ChangeFinder): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/operator/addons/:uuid/changes',
      { schema: { tags: ['operator'], params, body: query, response: { 200: changeSearch, ...refusals } } },
      async ({ params: { uuid }, body }) =>
        changes.find(uuid, { ...body, since: body.since === null ? null : parseMoment(body.since) }),
    );
  };
}
