import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseLogFrames } from '@borealis/contract';

export const CLIENT_SECRET = 'oauth-client-secret-0123456789';

interface PlatformAddonRow {
  id: string;
  name: string;
  state: string;
  config: Record<string, string | null>;
  logInputUrl: string | null;
  provisionActions: number;
}

type Answer = [status: number, body?: unknown];

/** The part of the platform that the service calls, over real HTTP. */
export class FakePlatform {
  readonly addons = new Map<string, PlatformAddonRow>();
  /** Tokens of persons: who they are and the ids of the add-ons that they may see. */
  readonly persons = new Map<string, { id: string; email: string; addons: Set<string> }>();
  readonly codes = new Map<string, string>();
  readonly refreshTokens = new Map<string, string>();
  readonly accessTokens = new Map<string, string>();
  readonly logLines: Record<string, string[]> = {};
  readonly requests: string[] = [];
  /** Of the one app that all add-ons are on. */
  ownerEmail = 'owner@example.com';
  /** Logplex tokens that are accepted; others get a 403. */
  readonly logTokens = new Set<string>();
  expiresIn = 28_800;
  /** Every request gets this status when it is set. */
  outage: number | null = null;
  logOutage = false;
  /** Runs before each answer, with the path that was asked for. */
  beforeAnswer: (path: string) => void = () => {};
  /** Lines are taken only after this. */
  logDelay: Promise<void> = Promise.resolve();
  #minted = 0;
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<FakePlatform> {
    const platform = new FakePlatform();
    await new Promise<void>((resolve) => platform.#server.listen(0, '127.0.0.1', resolve));
    return platform;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  logUrl(token: string): string {
    this.logTokens.add(token);
    return `http://token:${token}@${this.url.slice('http://'.length)}/logs`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.requests.push(`${request.method} ${request.url}`);
    this.beforeAnswer(request.url ?? '');
    if (request.url === '/logs') await this.logDelay;
    const [status, body] =
      this.outage && request.url !== '/logs'
        ? ([this.outage, { id: 'unavailable', message: 'out' }] as Answer)
        : this.#answer(request, Buffer.concat(chunks));
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body === undefined ? '' : JSON.stringify(body));
  }

  #answer(request: IncomingMessage, body: Buffer): Answer {
    const [, first, second, third, fourth] = request.url!.split('/').map(decodeURIComponent);
    const authorization = request.headers.authorization ?? '';
    if (first === 'logs') return this.#takeLog(authorization, body);
    if (first === 'oauth') return this.#token(new URLSearchParams(body.toString()));
    const token = authorization.replace('Bearer ', '');
    if (first === 'account') return this.#account(token);
    if (first === 'apps') return this.#app(token);
    const addon = this.#visible(token, second ?? '');
    if (addon === 'unauthorized') return [401, { id: 'unauthorized', message: 'Invalid credentials provided.' }];
    if (!addon) return [404, { id: 'not_found', message: "Couldn't find that add-on." }];
    if (request.method === 'GET' && !third) return [200, this.#shape(addon)];
    if (request.method === 'PATCH' && third === 'config') return this.#setConfig(addon, body);
    if (third === 'actions' && fourth === 'provision') return this.#provision(addon);
    if (third === 'actions' && fourth === 'deprovision') return this.#forget(addon);
    return [404, { id: 'not_found', message: 'nothing here' }];
  }

  #visible(token: string, idOrName: string): PlatformAddonRow | null | 'unauthorized' {
    const addon = [...this.addons.values()].find((row) => row.id === idOrName || row.name === idOrName) ?? null;
    const person = this.persons.get(token);
    if (person) return addon && person.addons.has(addon.id) ? addon : null;
    const own = this.accessTokens.get(token);
    if (!own) return 'unauthorized';
    return addon?.id === own ? addon : null;
  }

  #shape({ id, name, state, logInputUrl }: PlatformAddonRow) {
    return {
      ...{ id, name, state, log_input_url: logInputUrl },
      app: { id: 'app-id', name: 'sushi' },
      plan: { id: 'plan-id', name: 'borealis-pg:x1-s10-p1-r1' },
    };
  }

  #app(token: string): Answer {
    const isKnown = this.accessTokens.has(token) && this.addons.has(this.accessTokens.get(token)!);
    if (!isKnown) return [401, { id: 'unauthorized', message: 'Invalid credentials provided.' }];
    return [200, { id: 'app-id', name: 'sushi', owner: { id: 'owner-id', email: this.ownerEmail } }];
  }

  #account(token: string): Answer {
    const person = this.persons.get(token);
    return person ? [200, { id: person.id, email: person.email }] : [401, { id: 'unauthorized', message: 'no' }];
  }

  #setConfig(addon: PlatformAddonRow, body: Buffer): Answer {
    for (const { name, value } of JSON.parse(body.toString()).config) addon.config[name] = value;
    return [200, []];
  }

  #provision(addon: PlatformAddonRow): Answer {
    if (addon.state === 'provisioned') return [422, { id: 'invalid', message: 'already provisioned' }];
    addon.state = 'provisioned';
    addon.provisionActions++;
    return [200, this.#shape(addon)];
  }

  /** As the real one does: the tokens go with the add-on. */
  #forget(addon: PlatformAddonRow): Answer {
    this.addons.delete(addon.id);
    for (const tokens of [this.accessTokens, this.refreshTokens])
      for (const [token, id] of tokens) if (id === addon.id) tokens.delete(token);
    return [200, this.#shape(addon)];
  }

  #token(form: URLSearchParams): Answer {
    if (form.get('client_secret') !== CLIENT_SECRET) return [401, { id: 'unauthorized', message: 'client' }];
    const code = form.get('code') ?? '';
    const addonId = this.codes.get(code) ?? this.refreshTokens.get(form.get('refresh_token') ?? '');
    this.codes.delete(code);
    if (!addonId) return [401, { id: 'unauthorized', message: 'The grant is invalid.' }];
    const access = `access-${++this.#minted}`;
    const refresh = form.get('refresh_token') ?? `refresh-${this.#minted}`;
    this.accessTokens.set(access, addonId);
    this.refreshTokens.set(refresh, addonId);
    return [200, { access_token: access, refresh_token: refresh, expires_in: this.expiresIn, token_type: 'Bearer' }];
  }

  #takeLog(authorization: string, body: Buffer): Answer {
    const [, token = ''] = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':');
    if (this.logOutage) return [500];
    if (!this.logTokens.has(token)) return [403];
    this.logLines[token] ??= [];
    this.logLines[token].push(...parseLogFrames(body).map((line) => line.message));
    return [204];
  }
}
