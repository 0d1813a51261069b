import type { FastifyInstance } from 'fastify';

/** What `web_url`s lead to. Signing in to an add-on's dashboard from here is not possible yet, and the page says so. */
export function pageRoutes(server: FastifyInstance): void {
  for (const path of ['/pages/addons/:id', '/pages/attachments/:id'])
    server.get(path, async (_request, reply) =>
      reply
        .code(501)
        .type('text/plain; charset=utf-8')
        .send('The local platform cannot sign you in to the dashboard of this add-on yet.\n'),
    );

  server.get('/pages/apps/:app', async (_request, reply) =>
    reply.code(501).type('text/plain; charset=utf-8').send('The local platform does not serve web dynos.\n'),
  );
}
