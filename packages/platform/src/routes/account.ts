import type { FastifyInstance } from 'fastify';
import { person } from '../access/authenticate.js';
import { apiTime } from '../views/time.js';

export function accountRoutes(server: FastifyInstance): void {
  for (const path of ['/account', '/users/~'])
    server.get(path, { config: { scope: 'identity' } }, async (request) => {
      const { user } = person(request);
      return {
        id: user.id,
        email: user.email,
        name: null,
        verified: true,
        federated: false,
        two_factor_authentication: false,
        acknowledged_msa: true,
        beta: false,
        allow_tracking: false,
        created_at: apiTime(user.createdAt),
        updated_at: apiTime(user.createdAt),
      };
    });
}
