import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Manifest } from '@borealis/contract';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { Catalogue } from './catalogue.js';
import type { Platform } from './context.js';
import { Courier, type CourierTiming, HEROKU_TIMING } from './delivery/courier.js';
import { Dynos } from './dynos.js';
import { loadKey } from './key-file.js';
import { LogBook } from './logs/log-book.js';
import { LogSessions } from './logs/log-sessions.js';
import { type MailServer, startMailServer } from './mail/mail-server.js';
import { buildServer } from './server.js';
import { Store } from './store/store.js';
import { adoptOwner, prune } from './users.js';

export interface PlatformOptions {
  /** By default 127.0.0.1. */
  host?: string;
  /** By default 0: any free port. */
  port?: number;
  /** Made with mode 0700 when it is not there. One platform at a time may use it. */
  storeDirectory: string;
  /** Its `api.production.base_url` is where the add-on's maker listens. */
  manifest: Manifest;
  /** TCP port on 127.0.0.1 of an SMTP server that keeps what it gets for `GET /stand-in/mail`; 0 takes any free one. None when not given. */
  mailPort?: number;
  /** The first user, who may make others. A start with another token replaces his former one. */
  owner: { email: string; token: string };
  log: Logger;
  /** Where others reach the platform; by default `http://HOST:PORT`. */
  publicUrl?: string;
  /** Milliseconds since 1970; for tests. */
  now?: () => number;
  /** Differences from Heroku's timing; for tests. */
  timing?: Partial<CourierTiming>;
}

export interface RunningPlatform {
  url: string;
  /** `smtp://127.0.0.1:PORT`; null without a `mailPort`. */
  smtpUrl: string | null;
  /** Ends every connection and breaks off deliveries, which the next start makes again. */
  stop(): Promise<void>;
}

const TICK_MS = 500;

function assemble(options: PlatformOptions, url: () => string): Platform {
  const now = options.now ?? Date.now;
  const platform = {
    store: new Store(options.storeDirectory),
    catalogue: new Catalogue(options.manifest),
    logs: new LogBook(join(options.storeDirectory, 'logs'), now),
    sessions: new LogSessions(),
    log: options.log,
    key: loadKey(options.storeDirectory),
    ownerEmail: options.owner.email.toLowerCase(),
    now,
    url,
  } as Platform;
  platform.dynos = new Dynos(now, (dyno) => platform.logs.platformLine(dyno.appId, 'heroku', dyno.name, 'Restarting'));
  platform.courier = new Courier(platform, { ...HEROKU_TIMING, ...options.timing });
  adoptOwner(platform, options.owner);
  return platform;
}

function startTicking(platform: Platform): () => void {
  const tick = () => {
    try {
      prune(platform);
      platform.courier.tick();
      platform.store.compactIfLarge();
    } catch (error) {
      platform.log.error({ err: error }, 'the platform could not do its regular work');
    }
  };
  tick();
  const timer = setInterval(tick, TICK_MS);
  return () => clearInterval(timer);
}

function addressOf(server: FastifyInstance): string {
  const address = server.server.address() as AddressInfo;
  const anywhere = address.address === '0.0.0.0' || address.address === '::';
  const host = anywhere ? '127.0.0.1' : address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}

/** Starts the stand-in for Heroku. It is up when the promise resolves, and takes up what a former process left pending. */
export async function startPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  let url = options.publicUrl?.replace(/\/+$/, '') ?? '';
  const platform = assemble(options, () => url);
  const server = buildServer(platform);
  let mail: MailServer | null = null;
  try {
    if (options.mailPort !== undefined) mail = await startMailServer(platform, options.mailPort);
    await server.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 0 });
  } catch (error) {
    await mail?.stop();
    platform.store.close();
    throw error;
  }
  url ||= addressOf(server);
  const stopTicking = startTicking(platform);
  return {
    url,
    smtpUrl: mail && `smtp://127.0.0.1:${mail.port}`,
    async stop() {
      stopTicking();
      await mail?.stop();
      await platform.courier.stop();
      await server.close();
      platform.store.close();
    },
  };
}
