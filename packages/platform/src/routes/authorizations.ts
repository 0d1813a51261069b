import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { isScope, SCOPES } from '../access/scopes.js';
import type { Platform } from '../context.js';
import { forbidden, invalid, notFound } from '../errors.js';
import type { Authorization } from '../store/records.js';
import { newToken } from '../tokens.js';
import { putAuthorization } from '../users.js';
import { authorizationView } from '../views/authorization-view.js';
import { body, param } from './input.js';

const MOST_SECONDS = 10 * 365 * 86_400;

const creation = z.looseObject({
  description: z.string().max(256).nullish(),
  // The CLI sends it as a string, a plugin as a number.
  expires_in: z
    .union([z.number(), z.string().regex(/^\d+$/, 'it must be a number of seconds').transform(Number)])
    .nullish(),
  scope: z.array(z.string()).nullish(),
});

function lifetime(seconds: number | null | undefined): number | null {
  if (seconds === null || seconds === undefined) return null;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > MOST_SECONDS)
    throw invalid(`expires_in must be a whole number of seconds from 1 to ${MOST_SECONDS}.`);
  return seconds;
}

function scopes(wanted: readonly string[] | null | undefined): string[] {
  const list = wanted && wanted.length > 0 ? [...new Set(wanted)] : ['global'];
  const unknown = list.find((scope) => !isScope(scope));
  if (unknown !== undefined) throw invalid(`There is no scope ${unknown.slice(0, 50)}, only ${SCOPES.join(', ')}.`);
  return list;
}

/** A live authorization of the asker; `~` is the one he asks with. */
function requireOwn(platform: Platform, request: FastifyRequest): Authorization {
  const { user, authorization } = person(request);
  const id = param(request, 'id') === '~' ? authorization.id : param(request, 'id');
  const row = platform.store.get('authorizations', id);
  if (row?.userId !== user.id || !isLive(platform, row)) throw notFound('authorization');
  return row;
}

function isLive(platform: Platform, row: Authorization): boolean {
  return row.expiresAt === null || row.expiresAt > platform.now();
}

export function authorizationRoutes(server: FastifyInstance, platform: Platform): void {
  const global = { config: { scope: 'global' as const } };

  server.post('/oauth/authorizations', global, async (request, reply) => {
    const principal = person(request);
    const wanted = body(request, creation);
    const token = newToken('HRKU-');
    const facts = {
      userId: principal.user.id,
      token,
      description: wanted.description ?? 'Long-lived user authorization',
      scope: scopes(wanted.scope),
      expiresInSeconds: lifetime(wanted.expires_in),
    };
    let row: Authorization | undefined;
    platform.store.commit((tx) => {
      row = putAuthorization(platform, tx, facts);
    });
    return reply.code(201).send(authorizationView(platform, row!, principal, token));
  });

  server.get('/oauth/authorizations', global, async (request) => {
    const principal = person(request);
    return platform.store
      .filter('authorizations', (row) => row.userId === principal.user.id && isLive(platform, row))
      .map((row) => authorizationView(platform, row, principal));
  });

  server.get('/oauth/authorizations/:id', global, async (request) =>
    authorizationView(platform, requireOwn(platform, request), person(request)),
  );

  server.delete('/oauth/authorizations/:id', global, async (request) => {
    const row = requireOwn(platform, request);
    const { user } = person(request);
    const others = platform.store.filter('authorizations', (one) => one.userId === user.id && one.id !== row.id);
    if (!others.some((one) => one.expiresAt === null)) throw forbidden('The last token of a user cannot be revoked.');
    const view = authorizationView(platform, row, person(request));
    platform.store.commit((tx) => tx.delete('authorizations', row.id));
    return view;
  });

  server.delete('/oauth/sessions/:id', global, async () => {
    throw notFound('session');
  });
}
