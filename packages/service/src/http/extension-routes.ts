import { deletion, extensionInstalled, extensionRequest, installedExtensions } from '@borealis/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { assertProvisioned } from '../addons/readiness.js';
import type { Extensions } from '../extensions/extensions.js';
import { type Admit, params, refusals, tags } from './addon-admission.js';

const PATH = '/heroku/resources/:name/pg-extensions';
const ofExtension = params.extend({ extension: z.string() });

/** The extensions of the database. */
export function extensionRoutes(extensions: Extensions, admitted: Admit): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      PATH,
      { schema: { tags, params, response: { 200: installedExtensions, ...refusals } } },
      async (request) => {
        const { addon } = await admitted(request, request.params.name);
        assertProvisioned(addon);
        return { extensions: await extensions.list(addon) };
      },
    );
    app.post(
      PATH,
      { schema: { tags, params, body: extensionRequest, response: { 201: extensionInstalled, ...refusals } } },
      async (request, reply) => {
        const { addon, person } = await admitted(request, request.params.name);
        return reply.status(201).send(await extensions.install(addon, person, request.body.pgExtensionName));
      },
    );
    app.delete(
      `${PATH}/:extension`,
      { schema: { tags, params: ofExtension, response: { 200: deletion, ...refusals } } },
      async (request) => {
        const { addon, person } = await admitted(request, request.params.name);
        await extensions.remove(addon, person, request.params.extension);
        return { success: true } as const;
      },
    );
  };
}
