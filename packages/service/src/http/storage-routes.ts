import { cleanupWindow } from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { CleanupWindows } from '../storage/cleanup-windows.js';
import { type Admit, params, refusals, tags } from './addon-admission.js';

/** The way back to write access for who does not upgrade. */
export function storageRoutes(windows: CleanupWindows, admitted: Admit): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/heroku/resources/:name/cleanup-window',
      { schema: { tags, params, response: { 201: cleanupWindow, ...refusals } } },
      async (request, reply) => {
        const { addon } = await admitted(request, request.params.name);
        const until = await windows.open(addon.id);
        return reply.status(201).send({ until: until.toISOString() });
      },
    );
  };
}
