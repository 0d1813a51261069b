import swagger from '@fastify/swagger';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Metrics } from '../metrics.js';
import { BODY_LIMIT, errorHandler } from './error-handler.js';

export type App = FastifyInstance;

interface Parts {
  log: Logger;
  metrics: Metrics;
  /** True when the service can do its work: the control database answers. */
  isHealthy(): Promise<boolean>;
}

/** The HTTP server without any audience's routes: parsing, errors, metrics, health and the OpenAPI document. */
export async function buildApp({ log, metrics, isHealthy }: Parts): Promise<App> {
  const app: App = fastify({
    loggerInstance: log as FastifyBaseLogger,
    bodyLimit: BODY_LIMIT,
    // Every request is counted in the metrics; a line for each would bury what matters.
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    requestTimeout: REQUEST_TIMEOUT_MS,
    frameworkErrors: (_error, request, reply) => answerUnknown(request, reply as never),
    routerOptions: { maxParamLength: 200 },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  parseJsonBodies(app);
  countRequests(app, metrics);
  app.setErrorHandler(errorHandler(({ message }) => ({ message })));
  app.setNotFoundHandler(answerUnknown);
  await describeApi(app);
  await addHealth(app, isHealthy);
  return app;
}

/** The time in which a request must have arrived. */
const REQUEST_TIMEOUT_MS = 30_000;

function answerUnknown(request: FastifyRequest, reply: FastifyReply): void {
  const { message, status } = new AppError('unknownRoute');
  const isAddonApi = /^\/heroku\/resources\/[^/]+/.test(request.url);
  void reply.status(status).send(isAddonApi ? { reason: message } : { message });
}

/** Some clients send a content type without a body, and the platform a type of its own; PostgreSQL cannot hold a NUL. */
function parseJsonBodies(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(
    /^application\/([\w.+-]+\+)?json(\s*;|$)/,
    { parseAs: 'string' },
    (request, body: string, done) => {
      if (body === '') return done(null, undefined);
      if (/\\u0000/i.test(body)) return done(new AppError('invalid', { problem: 'text must not hold NUL characters' }));
      return parse(request, body, done);
    },
  );
}

function countRequests(app: App, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      status: String(reply.statusCode),
    };
    metrics.requests.observe(labels, reply.elapsedTime / 1000);
  });
}

async function describeApi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Borealis Isolated Postgres',
        version: '1',
        description: 'The control plane: Partner API, add-on API and what the operator sees.',
      },
    },
    transform: jsonSchemaTransform,
  });
  app.get('/openapi.json', { schema: { hide: true } as never }, async () => app.swagger());
}

const health = z.object({ status: z.enum(['ok', 'unavailable']) });

async function addHealth(app: App, isHealthy: () => Promise<boolean>): Promise<void> {
  const schema = { tags: ['operator'], response: { 200: health, 503: health } };
  app.get('/health', { schema }, async (_request, reply) => {
    const ok = await isHealthy().catch(() => false);
    return reply.status(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable' });
  });
}
