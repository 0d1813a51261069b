import { minorUpgrade, minorUpgradeRequest, partnerError } from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { MinorUpgrades } from '../upgrades/minor-upgrades.js';

const params = z.object({ uuid: z.uuid().toLowerCase() });
const E = partnerError;
const refusals = { 400: E, 401: E, 404: E, 409: E, 422: E, 500: E, 503: E };

/** Another minor release for an add-on's cluster: the same request is repeated until it has an end. */
export function upgradeRoutes(upgrades: MinorUpgrades): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/operator/addons/:uuid/minor-upgrade',
      {
        schema: { tags: ['operator'], params, body: minorUpgradeRequest, response: { 200: minorUpgrade, ...refusals } },
      },
      async ({ params: { uuid }, body }) => upgrades.upgrade(uuid, body),
    );
  };
}
