import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import type { Platform } from '../context.js';
import { forbidden } from '../errors.js';
import { newToken } from '../tokens.js';
import { adoptUser, findUser, putAuthorization } from '../users.js';
import { body } from './input.js';

const newUser = z.object({ email: z.email().max(254) });

/** Open to all: that the platform is up. */
export function healthRoute(server: FastifyInstance): void {
  server.get('/stand-in/health', async () => ({ status: 'up' }));
}

/** What Heroku does by its web site: making users. Only the platform's owner may. */
export function standInRoutes(server: FastifyInstance, platform: Platform): void {
  server.post('/stand-in/users', { config: { scope: 'global' } }, async (request, reply) => {
    if (person(request).user.email !== platform.ownerEmail)
      throw forbidden('Only the owner of the platform may make users.');
    const { email } = body(request, newUser);
    const isNew = !findUser(platform, email);
    const token = newToken('HRKU-');
    let id = '';
    platform.store.commit((tx) => {
      id = adoptUser(platform, tx, email).id;
      const description = 'Token made by the platform owner';
      putAuthorization(platform, tx, { userId: id, token, description, scope: ['global'], expiresInSeconds: null });
    });
    return reply.code(isNew ? 201 : 200).send({ id, email: email.toLowerCase(), token });
  });
}
