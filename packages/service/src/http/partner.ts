import {
  partnerError,
  planChangeAnswer,
  planChangeRequest,
  provisionAnswer,
  provisionRequest,
} from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { AddonRequests } from '../addons/addon-requests.js';
import { AppError } from '../errors.js';
import type { ServiceConfig } from '../options.js';
import type { PlanRequests } from '../plans/plan-requests.js';
import { isBasic } from './authorization.js';
import { errorHandler } from './error-handler.js';

const params = z.object({ uuid: z.uuid().toLowerCase() });
const refusals = { 401: partnerError, 422: partnerError, 500: partnerError, 503: partnerError };

/** The Partner API: what the platform asks of an add-on service. It repeats requests, so each may come any number of times. */
export function partnerApi(
  requests: AddonRequests,
  plans: PlanRequests,
  { manifest }: ServiceConfig,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.setErrorHandler(errorHandler(({ message }) => ({ message })));
    app.addHook('onRequest', async (request) => {
      if (!isBasic(request.headers.authorization, manifest.id, manifest.password)) throw new AppError('unauthorized');
    });
    app.post(
      '/heroku/resources',
      { schema: { tags: ['partner'], body: provisionRequest, response: { 202: provisionAnswer, ...refusals } } },
      async (request, reply) => reply.status(202).send(await requests.provision(request.body)),
    );
    app.put(
      '/heroku/resources/:uuid',
      {
        schema: {
          tags: ['partner'],
          params,
          body: planChangeRequest,
          response: { 200: planChangeAnswer, 410: partnerError, ...refusals },
        },
      },
      async (request) => plans.change(request.params.uuid, request.body.plan),
    );
    app.delete(
      '/heroku/resources/:uuid',
      { schema: { tags: ['partner'], params, response: { 204: z.null(), 410: partnerError, ...refusals } } },
      async (request, reply) => {
        await requests.deprovision(request.params.uuid);
        return reply.status(204).send(null);
      },
    );
  };
}
