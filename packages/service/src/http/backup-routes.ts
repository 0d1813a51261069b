import { backupReceipt, partnerError } from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { assertProvisioned } from '../addons/readiness.js';
import type { BackupRequests } from '../backups/backup-requests.js';
import { backupsOf } from '../backups/receipts.js';
import type { ControlDatabase } from '../database.js';
import { type Admit, params, refusals, tags } from './addon-admission.js';

/** What backups of the add-on there are, and one more. */
export function backupRoutes(db: ControlDatabase, requests: BackupRequests, admitted: Admit): FastifyPluginAsyncZod {
  return async (app) => {
    const path = '/heroku/resources/:name/backups';
    const all = z.object({ backups: z.array(backupReceipt) });
    app.get(path, { schema: { tags, params, response: { 200: all, ...refusals } } }, async (request) => {
      const { addon } = await admitted(request, request.params.name);
      assertProvisioned(addon);
      return { backups: await backupsOf(db, addon.id) };
    });
    const wanted = z.object({ name: z.string() });
    app.post(path, { schema: { tags, params, response: { 202: wanted, ...refusals } } }, async (request, reply) => {
      const { addon } = await admitted(request, request.params.name);
      return reply.status(202).send({ name: await requests.make(addon.id) });
    });
  };
}

const operatorTags = ['operator'];
const operatorRefusals = {
  400: partnerError,
  401: partnerError,
  404: partnerError,
  422: partnerError,
  500: partnerError,
};
const byId = z.object({ uuid: z.uuid().toLowerCase() });
const operatorReceipt = backupReceipt.extend({
  addonId: z.string(),
  addonName: z.string(),
  clusterId: z.string(),
  database: z.string(),
});

/** The same for the operator, of all add-ons; and how he has one proven again. */
export function operatorBackupRoutes(db: ControlDatabase, requests: BackupRequests): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/operator/backups',
      { schema: { tags: operatorTags, response: { 200: z.array(operatorReceipt), ...operatorRefusals } } },
      () => everyBackup(db),
    );
    const wanted = z.object({ name: z.string() });
    app.post(
      '/operator/addons/:uuid/backups',
      { schema: { tags: operatorTags, params: byId, response: { 202: wanted, ...operatorRefusals } } },
      async ({ params: { uuid } }, reply) => reply.status(202).send({ name: await requests.make(uuid) }),
    );
    app.post(
      '/operator/addons/:uuid/backups/:name/prove',
      {
        schema: {
          tags: operatorTags,
          params: byId.extend({ name: z.string() }),
          response: { 202: z.null(), ...operatorRefusals },
        },
      },
      async ({ params: { uuid, name } }, reply) => {
        await requests.prove(uuid, name);
        return reply.status(202).send(null);
      },
    );
  };
}

async function everyBackup(db: ControlDatabase): Promise<z.infer<typeof operatorReceipt>[]> {
  const addons = await db.sql
    .selectFrom('addon')
    .select(['id', 'name', 'cluster_id', 'database_name'])
    .orderBy('created_at')
    .execute();
  const found = await Promise.all(
    addons.map(async ({ id, name, cluster_id, database_name }) => {
      const place = { addonId: id, addonName: name, clusterId: cluster_id, database: database_name };
      return (await backupsOf(db, id)).map((backup) => ({ ...backup, ...place }));
    }),
  );
  return found.flat();
}
