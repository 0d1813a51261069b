import {
  announcedMajorUpgrade,
  majorRevertRequest,
  majorUpgrade,
  majorUpgradeAnnouncement,
  minorUpgrade,
  minorUpgradeRequest,
  partnerError,
} from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { MajorReverts } from '../upgrades/major-reverts.js';
import type { SharedMajorUpgrades } from '../upgrades/major-shared.js';
import type { MinorUpgrades } from '../upgrades/minor-upgrades.js';

const params = z.object({ uuid: z.uuid().toLowerCase() });
const ofCluster = z.object({ cluster: z.string() });
const tags = ['operator'];
const E = partnerError;
const refusals = { 400: E, 401: E, 404: E, 409: E, 422: E, 500: E, 503: E };
const revertRequest = majorRevertRequest.extend({ request: z.uuid().toLowerCase() });

interface Upgrades {
  minor: MinorUpgrades;
  reverts: MajorReverts;
  shared: SharedMajorUpgrades;
}

/** Other releases of PostgreSQL. The first two requests are repeated until they have an end. */
export function upgradeRoutes({ minor, reverts, shared }: Upgrades): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/operator/addons/:uuid/minor-upgrade',
      { schema: { tags, params, body: minorUpgradeRequest, response: { 200: minorUpgrade, ...refusals } } },
      async ({ params: { uuid }, body }) => minor.upgrade(uuid, body),
    );
    app.post(
      '/operator/addons/:uuid/upgrade-revert',
      { schema: { tags, params, body: revertRequest, response: { 200: majorUpgrade, ...refusals } } },
      async ({ params: { uuid }, body }) => reverts.revert(uuid, body),
    );
    const path = '/operator/clusters/:cluster/major-upgrade';
    app.post(
      path,
      {
        schema: {
          ...{ tags, params: ofCluster, body: majorUpgradeAnnouncement },
          response: { 202: announcedMajorUpgrade, ...refusals },
        },
      },
      async ({ params: { cluster }, body: { major, inSeconds } }, reply) =>
        reply.status(202).send(await shared.announce(cluster, major, inSeconds)),
    );
    app.delete(
      path,
      { schema: { tags, params: ofCluster, response: { 204: z.null(), ...refusals } } },
      async ({ params: { cluster } }, reply) => {
        await shared.cancel(cluster);
        return reply.status(204).send(null);
      },
    );
  };
}
