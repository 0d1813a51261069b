import { partnerError } from '@borealis/contract';
import { CHANGE_KINDS } from '@borealis/engine';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ChangeFinder } from '../restore/change-finder.js';
import { parseMoment } from '../restore/moment.js';

const name = z.string().min(1).max(63);
const kind = z.enum(CHANGE_KINDS);

const query = z.object({
  /** Another for each search. */
  search: z.uuid(),
  table: z.object({ schema: name.nullable(), name }).nullable(),
  kinds: z.array(kind).min(1),
  since: z.string().nullable(),
});

const change = z.object({
  kind,
  table: z.object({ schema: z.string(), name: z.string() }).nullable(),
  file: z.number().nullable(),
  rows: z.number().nullable(),
  transaction: z.number(),
  committedAt: z.string(),
  restoreTo: z.string(),
  isCrowded: z.boolean(),
});

const answer = z.discriminatedUnion('state', [
  z.object({ state: z.literal('reading'), segments: z.object({ read: z.number(), total: z.number() }) }),
  z.object({
    state: z.literal('found'),
    found: z.object({
      from: z.string(),
      to: z.string(),
      changes: z.array(change),
      omitted: z.number(),
      notes: z.array(z.string()),
    }),
  }),
]);

const params = z.object({ uuid: z.uuid().toLowerCase() });
const E = partnerError;
const refusals = { 400: E, 401: E, 404: E, 422: E, 500: E, 503: E };

/** The search for what took rows away: the same request is repeated until it has found. */
export function changeRoutes(changes: ChangeFinder): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/operator/addons/:uuid/changes',
      { schema: { tags: ['operator'], params, body: query, response: { 200: answer, ...refusals } } },
      async ({ params: { uuid }, body }) =>
        changes.find(uuid, { ...body, since: body.since === null ? null : parseMoment(body.since) }),
    );
  };
}
