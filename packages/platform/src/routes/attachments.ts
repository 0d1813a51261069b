import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { actorOf } from '../access/principal.js';
import { attachmentsOf, requireAddonMember, requireApp, visibleAttachments } from '../access/visible.js';
import { planAttachment } from '../addons/attach.js';
import { matchAttachments, requireAddon } from '../addons/find.js';
import type { Platform } from '../context.js';
import { invalid, notFound } from '../errors.js';
import { commitReleasing } from '../releases.js';
import type { Addon, Attachment } from '../store/records.js';
import type { Transaction } from '../store/store.js';
import { attachmentView } from '../views/addon-view.js';
import { body, param, reference } from './input.js';

const creation = z.looseObject({
  addon: reference,
  app: reference,
  name: z.string().nullish(),
  confirm: z.string().nullish(),
});

/** Of a provisioned add-on the new attachment takes a replaced one's place at once, else when it is provisioned. */
function put(tx: Transaction, addon: Addon, attachment: Attachment): void {
  const replaces = addon.state === 'provisioned' ? null : attachment.replaces;
  if (replaces === null && attachment.replaces !== null) tx.delete('attachments', attachment.replaces);
  tx.put('attachments', { ...attachment, replaces });
}

export function attachmentRoutes(server: FastifyInstance, platform: Platform): void {
  const views = (rows: Attachment[], principal: Parameters<typeof attachmentView>[2]) =>
    rows.map((row) => attachmentView(platform, row, principal));

  server.post('/addon-attachments', async (request, reply) => {
    const principal = person(request);
    const wanted = body(request, creation);
    const app = requireApp(platform, principal, wanted.app);
    const addon = requireAddon(platform, principal, wanted.addon);
    requireAddonMember(platform, addon, principal, 'attach it');
    if (addon.state === 'deprovisioning') throw invalid(`${addon.name} is being removed.`);
    const names = { name: wanted.name ?? undefined, confirm: wanted.confirm ?? undefined };
    const attachment = planAttachment(platform, addon, app, names);
    const describe = () => `Attach ${attachment.name} (@ref:${addon.name})`;
    commitReleasing(platform, { appIds: [app.id], actor: actorOf(principal), describe }, (tx) =>
      put(tx, addon, attachment),
    );
    return reply.code(201).send(attachmentView(platform, attachment, principal));
  });

  server.get('/addon-attachments', async (request) =>
    views(visibleAttachments(platform, person(request)), person(request)),
  );

  server.get('/apps/:app/addon-attachments', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    return views(
      platform.store.filter('attachments', (row) => row.appId === app.id),
      person(request),
    );
  });

  server.get('/addons/:addon/addon-attachments', { config: { partner: true } }, async (request) => {
    const principal = request.principal!;
    const addon = requireAddon(platform, principal, param(request, 'addon'));
    const visible = new Set(visibleAttachments(platform, principal).map((row) => row.id));
    return views(
      attachmentsOf(platform, addon.id).filter((row) => visible.has(row.id)),
      principal,
    );
  });

  server.get('/addon-attachments/:attachment', async (request) =>
    attachmentView(platform, requireVisible(platform, request, param(request, 'attachment')), person(request)),
  );

  server.get('/apps/:app/addon-attachments/:attachment', async (request) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const [row] = matchAttachments(platform, principal, param(request, 'attachment'), app);
    if (!row) throw notFound('add_on attachment');
    return attachmentView(platform, row, principal);
  });

  server.delete('/addon-attachments/:attachment', async (request) => {
    const row = requireVisible(platform, request, param(request, 'attachment'));
    const view = attachmentView(platform, row, person(request));
    const addon = platform.store.get('addons', row.addonId);
    const describe = () => `Detach ${row.name} (@ref:${addon?.name})`;
    const options = { appIds: [row.appId], actor: actorOf(person(request)), describe };
    commitReleasing(platform, options, (tx) => tx.delete('attachments', row.id));
    return view;
  });
}

function requireVisible(platform: Platform, request: Parameters<typeof person>[0], id: string): Attachment {
  const row = visibleAttachments(platform, person(request)).find((one) => one.id === id);
  if (!row) throw notFound('add_on attachment');
  return row;
}
