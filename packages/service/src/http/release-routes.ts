import { maintenanceWindow, maintenanceWindowAnswer, partnerError, releaseOverview } from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { MaintenanceWindows } from '../upgrades/maintenance-windows.js';
import type { ReleasesOverview } from '../upgrades/releases-overview.js';

const params = z.object({ uuid: z.uuid().toLowerCase() });
const release = z.object({ version: z.string().regex(/^\d{1,3}\.\d{1,3}$/, 'must be like 16.14') });
const E = partnerError;
const refusals = { 400: E, 401: E, 500: E, 503: E };
const ofAddon = { ...refusals, 404: E, 422: E };
const tags = ['operator'];
const WINDOW = '/operator/addons/:uuid/maintenance-window';

/** Minor releases that are there, run and are planned, and when each add-on gets them. */
export function releaseRoutes(overview: ReleasesOverview, windows: MaintenanceWindows): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/operator/releases', { schema: { tags, response: { 200: releaseOverview, ...refusals } } }, () =>
      overview.read(),
    );
    app.post(
      '/operator/releases/:version/allow',
      { schema: { tags, params: release, response: { 204: z.null(), ...refusals } } },
      async (request, reply) => {
        await overview.allow(request.params.version);
        return reply.status(204).send(null);
      },
    );
    app.get(WINDOW, { schema: { tags, params, response: { 200: maintenanceWindowAnswer, ...ofAddon } } }, (request) =>
      windows.show(request.params.uuid),
    );
    app.put(
      WINDOW,
      { schema: { tags, params, body: maintenanceWindow, response: { 200: maintenanceWindowAnswer, ...ofAddon } } },
      (request) => windows.choose(request.params.uuid, request.body),
    );
    app.delete(
      WINDOW,
      { schema: { tags, params, response: { 200: maintenanceWindowAnswer, ...ofAddon } } },
      (request) => windows.choose(request.params.uuid, null),
    );
  };
}
