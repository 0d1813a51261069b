import { PassThrough } from 'node:stream';
import { parseLogFrames } from '@borealis/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { person, principalOf } from '../access/authenticate.js';
import { requireApp, seesApp } from '../access/visible.js';
import type { Platform } from '../context.js';
import { ApiError, invalid, notFound } from '../errors.js';
import { KEPT_LINES, type StoredLine } from '../logs/log-book.js';
import { appOfLogToken } from '../logs/log-input.js';
import { type LogSession, wants } from '../logs/log-sessions.js';
import { body, param } from './input.js';

const creation = z.looseObject({
  lines: z.coerce.number().int().min(1).nullish(),
  tail: z.boolean().nullish(),
  source: z.string().max(100).nullish(),
  dyno: z.string().max(100).nullish(),
  dyno_name: z.string().max(100).nullish(),
});

export function logSessionRoutes(server: FastifyInstance, platform: Platform): void {
  server.post('/apps/:app/log-sessions', { config: { scope: 'read' } }, async (request, reply) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const wanted = body(request, creation);
    const name = platform.sessions.add({
      appId: app.id,
      lines: Math.min(KEPT_LINES, wanted.lines ?? 100),
      tail: wanted.tail ?? false,
      source: wanted.source ?? null,
      dyno: wanted.dyno ?? wanted.dyno_name ?? null,
      createdAt: platform.now(),
      allowed: () => mayStillRead(platform, principal.token, app.id),
    });
    return reply.code(201).send({ logplex_url: `${platform.url()}/stream/${name}` });
  });
}

function mayStillRead(platform: Platform, token: string, appId: string): boolean {
  const principal = principalOf(platform, token);
  const app = platform.store.get('apps', appId);
  return principal !== null && app !== undefined && seesApp(platform, principal, app);
}

function frame(line: StoredLine): string {
  return `id: ${line.id}\ndata: ${line.text}\n\n`;
}

/** What a session gets at once: after a dropped connection only what came since, else the last lines it asked for. */
function backlog(platform: Platform, session: LogSession, lastEventId: string | undefined): StoredLine[] {
  const lines = platform.logs.lines(session.appId).filter((line) => wants(session, line));
  const last = Number(lastEventId);
  if (lastEventId && Number.isInteger(last)) return lines.filter((line) => line.id > last);
  return lines.slice(-session.lines);
}

function follow(platform: Platform, session: LogSession, stream: PassThrough): void {
  const unfollow = platform.logs.follow(session.appId, (line) => {
    // A reader that is 1 MB behind is dropped: it comes back and asks for what it missed.
    if (!session.allowed() || stream.writableLength > 1024 * 1024) stream.end();
    else if (wants(session, line)) stream.write(frame(line));
  });
  const alive = setInterval(() => (session.allowed() ? stream.write(': alive\n\n') : stream.end()), 15_000);
  stream.once('close', () => {
    unfollow();
    clearInterval(alive);
  });
}

function logToken(request: FastifyRequest): string {
  const encoded = /^Basic +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const [user, ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return user === 'token' ? password.join(':') : '';
}

/** Logplex: lines in, authenticated by the token in their URL, and streams out, under the unguessable name of a session. */
export function logplexRoutes(server: FastifyInstance, platform: Platform): void {
  server.post('/logs', async (request, reply) => {
    const appId = appOfLogToken(platform, logToken(request));
    if (appId === null) throw new ApiError(401, 'unauthorized', 'The log token is not valid.');
    if (!Buffer.isBuffer(request.body)) throw invalid('Log lines must be sent as application/logplex-1.');
    let lines: ReturnType<typeof parseLogFrames>;
    try {
      lines = parseLogFrames(request.body);
    } catch (error) {
      throw new ApiError(400, 'bad_request', `The log lines are not valid: ${(error as Error).message}.`);
    }
    platform.logs.append(appId, lines);
    return reply.code(204).send();
  });

  server.get('/stream/:session', async (request, reply) => {
    const session = platform.sessions.open(param(request, 'session'), platform.now());
    if (!session) throw notFound('session');
    const stream = new PassThrough();
    for (const line of backlog(platform, session, request.headers['last-event-id'] as string | undefined))
      stream.write(frame(line));
    if (session.tail) follow(platform, session, stream);
    else stream.end();
    return reply.header('cache-control', 'no-cache').type('text/event-stream').send(stream);
  });
}
