import {
  pgVersionUpgradeCancelled,
  pgVersionUpgradeRequest,
  pgVersionUpgradeStarted,
  pgVersionUpgrades,
} from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { MajorUpgrades } from '../upgrades/major-upgrades.js';
import { type Admit, params, refusals, tags } from './addon-admission.js';

const PATH = '/heroku/resources/:name/pg-version-upgrades';

/** Major versions of PostgreSQL: what there is, the way there, and giving it up. */
export function versionUpgradeRoutes(upgrades: MajorUpgrades, admitted: Admit): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(PATH, { schema: { tags, params, response: { 200: pgVersionUpgrades, ...refusals } } }, async (request) => {
      const { addon } = await admitted(request, request.params.name);
      return upgrades.info(addon);
    });
    app.post(
      PATH,
      {
        schema: {
          tags,
          params,
          body: pgVersionUpgradeRequest,
          response: { 202: pgVersionUpgradeStarted, ...refusals },
        },
      },
      async (request, reply) => {
        const { addon } = await admitted(request, request.params.name);
        const wanted = request.body?.targetPgMajorVersion ?? null;
        return reply.status(202).send(await upgrades.execute(addon.id, wanted));
      },
    );
    app.delete(
      `${PATH}/current`,
      { schema: { tags, params, response: { 200: pgVersionUpgradeCancelled, ...refusals } } },
      async (request) => {
        const { addon } = await admitted(request, request.params.name);
        await upgrades.cancel(addon.id);
        return {};
      },
    );
  };
}
