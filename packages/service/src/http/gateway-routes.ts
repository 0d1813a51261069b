import { partnerError } from '@borealis/contract';
import { type Engine, EngineError } from '@borealis/engine';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { findAddon } from '../addons/addon-store.js';
import { assertProvisioned } from '../addons/readiness.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';

const params = z.object({ uuid: z.uuid().toLowerCase() });
const upgraded = z.object({
  /** Gateways that were replaced and still have tunnels; what is left of these at `until` is ended cleanly. */
  draining: z.array(z.object({ tunnels: z.number(), until: z.string() })),
});
const E = partnerError;
const refusals = { 400: E, 401: E, 404: E, 422: E, 500: E, 503: E };

/** A new process for the gateway of an add-on's cluster; the answer comes when it has taken over. */
export function gatewayRoutes(db: ControlDatabase, engine: Engine): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/operator/addons/:uuid/upgrade-gateway',
      { schema: { tags: ['operator'], params, response: { 200: upgraded, ...refusals } } },
      async (request) => {
        const addon = await findAddon(db, request.params.uuid);
        if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
        assertProvisioned(addon);
        return engine.upgradeGateway(addon.cluster_id).catch((error: unknown) => {
          throw error instanceof EngineError && error.retryable
            ? new AppError('gatewayNotUpgraded', { problem: error.message }, { cause: error })
            : error;
        });
      },
    );
  };
}
