import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import type { CourierTiming } from '../src/delivery/courier.js';
import { type PlatformOptions, startPlatform } from '../src/index.js';
import { CLIENT_SECRET, manifestFor, type Partner, startPartner } from './partner.js';

export const OWNER = { email: 'owner@example.com', token: 'owner-token' };

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bp-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
  headers: Headers;
}

export interface Call {
  method?: string;
  token?: string | null;
  json?: unknown;
  form?: Record<string, string>;
  headers?: Record<string, string>;
}

function payload({ json, form }: Call): { body?: string; type?: string } {
  if (form) return { body: new URLSearchParams(form).toString(), type: 'application/x-www-form-urlencoded' };
  return json === undefined ? {} : { body: JSON.stringify(json), type: 'application/json' };
}

export async function send(url: string, path: string, call: Call = {}): Promise<Answer> {
  const { body, type } = payload(call);
  const token = call.token === undefined ? OWNER.token : call.token;
  const response = await fetch(`${url}${path}`, {
    method: call.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      accept: 'application/vnd.heroku+json; version=3',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(type ? { 'content-type': type } : {}),
      ...call.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}

/** Tries again until the condition holds; the test's own time limit ends it. */
export async function until<T>(condition: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A partner and a platform of one test, ended with it. */
export async function setUp(options: { timing?: Partial<CourierTiming> } = {}) {
  const world = await openWorld(options);
  onTestFinished(() => world.close());
  return world;
}

/** A partner and a platform on a store of their own, until `close`. */
export async function openWorld(options: { timing?: Partial<CourierTiming> } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'bp-'));
  const storeDirectory = join(directory, 'store');
  const partner = await startPartner();
  const clock = { ahead: 0 };
  const start = (changes: Partial<PlatformOptions> = {}) =>
    startPlatform({
      storeDirectory,
      manifest: manifestFor(partner.baseUrl),
      owner: OWNER,
      log: pino({ level: 'silent' }),
      now: () => Date.now() + clock.ahead,
      mailPort: 0,
      timing: { retryMs: 20, maxRetryMs: 100, ...options.timing },
      ...changes,
    });
  let running = await start();
  const call = (path: string, wanted?: Call) => send(running.url, path, wanted);
  return {
    partner,
    clock,
    storeDirectory,
    call,
    get url() {
      return running.url;
    },
    get smtpUrl() {
      return running.smtpUrl;
    },
    async restart(changes: Partial<PlatformOptions> = {}) {
      await running.stop();
      running = { url: '', smtpUrl: null, stop: async () => undefined };
      running = await start(changes);
    },
    async close() {
      await running.stop();
      await partner.stop();
      rmSync(directory, { recursive: true, force: true });
    },
    async user(email: string): Promise<string> {
      return (await call('/stand-in/users', { json: { email } })).body.token;
    },
    async app(name: string, token?: string): Promise<void> {
      await call('/apps', { json: { name }, ...(token ? { token } : {}) });
    },
  };
}
export type Setup = Awaited<ReturnType<typeof openWorld>>;

/** The access token that the partner gets for the grant of its latest provision request. */
export async function exchange(url: string, partner: Partner): Promise<string> {
  const { code } = partner.of('POST').at(-1)!.body.oauth_grant as { code: string };
  const form = { grant_type: 'authorization_code', code, client_secret: CLIENT_SECRET };
  return (await send(url, '/oauth/token', { form, token: null })).body.access_token;
}

export const CONFIG = [
  { name: 'BOREALIS_PG_URL', value: 'postgres://u:p@pg-tunnel.borealis-data.com:20000/db' },
  { name: 'BOREALIS_PG_READONLY_URL', value: 'postgres://r:p@pg-tunnel.borealis-data.com:20001/db' },
];

/** Does what a partner does after a 202: exchanges the grant, sets config vars, marks the add-on provisioned. */
export async function finishProvisioning(url: string, partner: Partner): Promise<{ token: string; uuid: string }> {
  const uuid = partner.of('POST').at(-1)!.body.uuid as string;
  const token = await exchange(url, partner);
  await send(url, `/addons/${uuid}/config`, { method: 'PATCH', token, json: { config: CONFIG } });
  await send(url, `/addons/${uuid}/actions/provision`, { method: 'POST', token });
  return { token, uuid };
}
