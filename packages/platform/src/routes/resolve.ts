import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { requireApp } from '../access/visible.js';
import { matchAddons, matchAttachments } from '../addons/find.js';
import type { Platform } from '../context.js';
import { notFound } from '../errors.js';
import { addonView, attachmentView } from '../views/addon-view.js';
import { body } from './input.js';

const addonQuery = z.looseObject({ addon: z.string(), app: z.string().nullish(), addon_service: z.string().nullish() });
const attachmentQuery = z.looseObject({
  addon_attachment: z.string(),
  app: z.string().nullish(),
  addon_service: z.string().nullish(),
});

/** Resolving only reads, though it is a POST. All matches are given; the client says what to do with several. */
export function resolveRoutes(server: FastifyInstance, platform: Platform): void {
  const isOurs = (service: string | null | undefined) => !service || service === platform.catalogue.slug;

  server.post('/actions/addons/resolve', { config: { scope: 'read' } }, async (request) => {
    const principal = person(request);
    const { addon, app, addon_service } = body(request, addonQuery);
    const on = app ? requireApp(platform, principal, app) : null;
    const found = isOurs(addon_service) ? matchAddons(platform, principal, addon, on) : [];
    if (found.length === 0) throw notFound('add_on');
    return found.map((one) => addonView(platform, one, principal));
  });

  server.post('/actions/addon-attachments/resolve', { config: { scope: 'read' } }, async (request) => {
    const principal = person(request);
    const { addon_attachment, app, addon_service } = body(request, attachmentQuery);
    const on = app ? requireApp(platform, principal, app) : null;
    const found = isOurs(addon_service) ? matchAttachments(platform, principal, addon_attachment, on) : [];
    if (found.length === 0) throw notFound('add_on attachment');
    return found.map((one) => attachmentView(platform, one, principal));
  });
}
