import { STATUS_CODES } from 'node:http';
import Fastify, { type FastifyInstance } from 'fastify';
import { authenticate } from './access/authenticate.js';
import type { Platform } from './context.js';
import { ApiError } from './errors.js';
import { accountRoutes } from './routes/account.js';
import { addonRoutes } from './routes/addons.js';
import { appRoutes } from './routes/apps.js';
import { attachmentRoutes } from './routes/attachments.js';
import { authorizationRoutes } from './routes/authorizations.js';
import { buildpackRoutes, registryRoutes } from './routes/buildpacks.js';
import { callbackRoutes } from './routes/callbacks.js';
import { collaboratorRoutes } from './routes/collaborators.js';
import { configRoutes } from './routes/config.js';
import { dynoRoutes, standInDynoRoutes } from './routes/dynos.js';
import { logplexRoutes, logSessionRoutes } from './routes/logs.js';
import { mailRoutes } from './routes/mail.js';
import { oauthRoutes } from './routes/oauth.js';
import { pageRoutes } from './routes/pages.js';
import { releaseRoutes } from './routes/releases.js';
import { resolveRoutes } from './routes/resolve.js';
import { healthRoute, standInRoutes } from './routes/stand-in.js';
import { teamRoutes } from './routes/teams.js';

const MAX_BODY_BYTES = 256 * 1024;
const MAX_LOG_BODY_BYTES = 1024 * 1024;

const WITH_TOKEN = [
  accountRoutes,
  addonRoutes,
  appRoutes,
  attachmentRoutes,
  authorizationRoutes,
  buildpackRoutes,
  callbackRoutes,
  collaboratorRoutes,
  configRoutes,
  dynoRoutes,
  logSessionRoutes,
  mailRoutes,
  releaseRoutes,
  resolveRoutes,
  standInDynoRoutes,
  standInRoutes,
  teamRoutes,
];
const WITHOUT_TOKEN = [healthRoute, logplexRoutes, oauthRoutes, pageRoutes, registryRoutes];

function addParsers(server: FastifyInstance): void {
  const json = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    // A client may announce JSON and send nothing.
    if (text === '') done(null, undefined);
    else void json(request, text as string, done);
  });
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) => {
    done(null, Object.fromEntries(new URLSearchParams(text as string)));
  });
  const logplex = { parseAs: 'buffer', bodyLimit: MAX_LOG_BODY_BYTES } as const;
  server.addContentTypeParser('application/logplex-1', logplex, (_request, bytes, done) => done(null, bytes));
}

function asApiError(error: Error & { statusCode?: number }): ApiError {
  if (error instanceof ApiError) return error;
  const status = error.statusCode ?? 500;
  if (status === 413) return new ApiError(413, 'request_too_large', `A request may have ${MAX_BODY_BYTES / 1024} KB.`);
  if (status >= 400 && status < 500) {
    const id = (STATUS_CODES[status] ?? 'bad_request').toLowerCase().replaceAll(' ', '_');
    return new ApiError(status, id, `The request is not valid: ${error.message}.`);
  }
  return new ApiError(500, 'internal_server_error', 'The local platform failed; its log says why.');
}

function addErrors(server: FastifyInstance, platform: Platform): void {
  server.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const answer = asApiError(error);
    if (answer.status >= 500 && !(error instanceof ApiError))
      platform.log.error({ err: error, method: request.method, path: request.routeOptions.url }, 'request failed');
    return reply.code(answer.status).send(answer.body());
  });
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ id: 'not_found', message: 'The requested API endpoint was not found.' }),
  );
}

/** The HTTP server of a platform, not yet listening. */
export function buildServer(platform: Platform): FastifyInstance {
  const server = Fastify({ bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true, logger: false });
  server.decorateRequest('principal', null);
  addParsers(server);
  addErrors(server, platform);
  for (const routes of WITHOUT_TOKEN) routes(server, platform);
  server.register((guarded, _options, done) => {
    guarded.addHook('onRequest', async (request) => authenticate(platform, request));
    for (const routes of WITH_TOKEN) routes(guarded, platform);
    done();
  });
  return server;
}
