import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Platform } from '../context.js';
import { ACCESS_LIFE_MS, exchangeCode, refreshAccess } from '../delivery/grants.js';
import { ApiError } from '../errors.js';
import { sameSecret } from '../tokens.js';
import { body } from './input.js';

const tokenRequest = z.looseObject({
  grant_type: z.enum(['authorization_code', 'refresh_token']),
  code: z.string().max(256).optional(),
  refresh_token: z.string().max(256).optional(),
  client_secret: z.string().max(1024),
});

/** Where an add-on's maker exchanges its grant and refreshes its token. The client secret is the credential here. */
export function oauthRoutes(server: FastifyInstance, platform: Platform): void {
  server.post('/oauth/token', async (request, reply) => {
    request.body = { ...(request.query as object), ...((request.body ?? {}) as object) };
    const wanted = body(request, tokenRequest);
    if (!sameSecret(wanted.client_secret, platform.catalogue.manifest.api.oauth_client_secret))
      throw new ApiError(401, 'unauthorized', 'The client secret is not valid.', { error: 'invalid_client' });
    const tokens =
      wanted.grant_type === 'authorization_code'
        ? exchangeCode(platform, wanted.code ?? '')
        : refreshAccess(platform, wanted.refresh_token ?? '');
    return reply.header('cache-control', 'no-store').send({
      access_token: tokens.access,
      refresh_token: tokens.refresh,
      expires_in: ACCESS_LIFE_MS / 1000,
      token_type: 'Bearer',
      user_id: tokens.addonId,
      session_nonce: null,
    });
  });
}
