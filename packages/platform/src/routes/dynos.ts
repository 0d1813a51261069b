import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { requireApp } from '../access/visible.js';
import type { Platform } from '../context.js';
import type { Dyno } from '../dynos.js';
import { ApiError, invalid, notFound } from '../errors.js';
import type { App } from '../store/records.js';
import { apiTime } from '../views/time.js';
import { body, param } from './input.js';

const report = z.looseObject({
  type: z.string().max(40).optional(),
  command: z.string().max(4096),
  state: z.enum(['starting', 'up', 'idle', 'crashed', 'down']).default('up'),
});

function dynoView(app: App, dyno: Dyno): Record<string, unknown> {
  return {
    id: dyno.id,
    app: { id: app.id, name: app.name },
    name: dyno.name,
    type: dyno.type,
    command: dyno.command,
    size: 'Basic',
    state: dyno.state,
    attach_url: null,
    release: { id: app.id, version: app.version },
    created_at: apiTime(dyno.createdAt),
    updated_at: apiTime(dyno.updatedAt),
  };
}

export function dynoRoutes(server: FastifyInstance, platform: Platform): void {
  server.get('/apps/:app/dynos', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    return platform.dynos.list(app.id).map((dyno) => dynoView(app, dyno));
  });

  server.post('/apps/:app/dynos', async (request) => {
    requireApp(platform, person(request), param(request, 'app'));
    throw new ApiError(
      422,
      'not_supported',
      'One-off dynos are not supported by the local platform. Use `borealis dyno -a APP -- COMMAND` instead.',
    );
  });

  for (const path of ['/apps/:app/dynos', '/apps/:app/dynos/:dyno', '/apps/:app/formations/:dyno'])
    server.delete(path, async (request, reply) => {
      const app = requireApp(platform, person(request), param(request, 'app'));
      const wanted = param(request, 'dyno');
      const asked = platform.dynos.restart(app.id, wanted === '' ? undefined : wanted);
      if (wanted !== '' && asked.length === 0) throw notFound('dyno');
      return reply.code(202).send({});
    });
}

/** For whoever runs a dyno on this machine: Heroku has no such call. A report is repeated before it grows old. */
export function standInDynoRoutes(server: FastifyInstance, platform: Platform): void {
  server.put('/stand-in/apps/:app/dynos/:dyno', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    const name = param(request, 'dyno');
    if (!/^[a-z][a-z0-9_-]{0,29}\.\d{1,6}$/.test(name))
      throw invalid('A dyno is named by its type and a number: web.1.');
    const { type = name.split('.')[0]!, command, state } = body(request, report);
    const isNew = !platform.dynos.list(app.id).some((dyno) => dyno.name === name && dyno.state === state);
    const dyno = platform.dynos.report(app.id, name, { type, command, state });
    if (isNew) platform.logs.platformLine(app.id, 'heroku', name, `State changed to ${state}`);
    return { ...dynoView(app, dyno), restart: dyno.restart };
  });

  server.delete('/stand-in/apps/:app/dynos/:dyno', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    const dyno = platform.dynos.remove(app.id, param(request, 'dyno'));
    if (!dyno) throw notFound('dyno');
    platform.logs.platformLine(app.id, 'heroku', dyno.name, 'State changed to down');
    return dynoView(app, dyno);
  });
}
