import { randomUUID } from 'node:crypto';
import { Secret } from '@borealis/contract';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { TestPostgres } from '../../../../test/support/test-postgres.js';
import { openDatabase } from '../../src/database.js';
import { migrate } from '../../src/migrate.js';
import type { ServiceConfig } from '../../src/options.js';
import { createService, type Service } from '../../src/service.js';
import { FakeEngine } from './fake-engine.js';
import { CLIENT_SECRET, FakePlatform } from './fake-platform.js';

export const MASTER_KEY = Buffer.alloc(32, 7);
export const PARTNER = `Basic ${Buffer.from('borealis-pg:partner-password').toString('base64')}`;
export const OPERATOR = 'Bearer operator-token';

/** A service on a database of its own with doubles around it. It does not listen: tests step the strands themselves. */
export interface Harness {
  service: Service;
  engine: FakeEngine;
  platform: FakePlatform;
  pool: pg.Pool;
  /** What the service logged, as one text. */
  logged(): string;
  /** Another process on the same database, engine and platform. */
  another(config?: Partial<ServiceConfig>): Promise<Service>;
}

/** One PostgreSQL server per test file and a fresh copy of a migrated database per test. */
export function useService(): () => Promise<Harness> {
  let server: TestPostgres;
  let template: string;
  const cleanUps: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    server = await TestPostgres.start();
    template = await server.database();
    const db = openDatabase(server.connection(template), () => {});
    await migrate(db);
    await db.close();
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });
  afterAll(() => server?.stop());

  return async () => {
    const database = server.connection(await server.database(template));
    const [engine, platform] = [new FakeEngine(), await FakePlatform.start()];
    const pool = new pg.Pool(database);
    pool.on('connect', (client) => client.on('error', () => {}));
    pool.on('error', () => {});
    cleanUps.push(
      () => platform.stop(),
      () => pool.end(),
    );
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const another = async (config: Partial<ServiceConfig> = {}) => {
      const service = await createService({
        ...{ database, engine, log, masterKey: new Secret(MASTER_KEY) },
        config: { ...configFor(platform), ...config },
      });
      cleanUps.push(() => service.stop());
      return service;
    };
    return { service: await another(), engine, platform, pool, logged: () => lines.join(''), another };
  };
}

function configFor(platform: FakePlatform): ServiceConfig {
  return {
    host: '127.0.0.1',
    port: 0,
    platformUrl: platform.url,
    manifest: {
      id: 'borealis-pg',
      password: new Secret('partner-password'),
      oauthClientSecret: new Secret(CLIENT_SECRET),
    },
    publicUrl: 'http://api.example.test',
    tunnelHost: 'pg-tunnel.borealis-data.com',
    operatorToken: new Secret('operator-token'),
  };
}

/** A provision request as the platform sends it, with the platform knowing the add-on. */
export function provisionRequest(platform: FakePlatform, more: Record<string, unknown> = {}) {
  const uuid = randomUUID();
  const code = `code-${uuid}`;
  const name = `borealis-pg-cubic-${uuid.slice(0, 5)}`;
  const logInputUrl = platform.logUrl(`t.${uuid}`);
  platform.codes.set(code, uuid);
  platform.addons.set(uuid, { id: uuid, name, state: 'provisioning', config: {}, logInputUrl, provisionActions: 0 });
  return {
    callback_url: `${platform.url}/addons/${uuid}`,
    name,
    oauth_grant: { code, expires_at: '2030-01-01T00:00:00Z', type: 'authorization_code' },
    options: {},
    plan: 'x1-s10-p1-r1',
    region: 'amazon-web-services::us-east-1',
    uuid,
    log_input_url: logInputUrl,
    ...more,
  };
}

export function provision(service: Service, payload: object) {
  return service.app.inject({
    ...{ method: 'POST', url: '/heroku/resources', payload },
    headers: { authorization: PARTNER, 'content-type': 'application/json' },
  });
}

export function deprovision(service: Service, uuid: string) {
  return service.app.inject({
    ...{ method: 'DELETE', url: `/heroku/resources/${uuid}` },
    headers: { authorization: PARTNER },
  });
}

/** Steps the strand until it reaches the label (null: until it is gone); the labels that it ran on the way. */
export async function stepTo(service: Service, id: string, label: string | null): Promise<string[]> {
  const ran: string[] = [];
  for (let steps = 0; steps < 60; steps++) {
    const status = await service.strands.describe(id);
    if ((status?.label ?? null) === label) return ran;
    const result = await service.strands.step(id);
    if (!result || result.outcome === 'failed' || result.outcome === 'parked')
      throw new Error(`stuck on the way to ${label}: ${JSON.stringify(result)}`);
    ran.push(result.label);
  }
  throw new Error(`never came to ${label}: ${ran.join(', ')}`);
}

/** An available add-on and a person who may use it. */
export async function availableAddon(
  { service, platform }: Pick<Harness, 'service' | 'platform'>,
  more: Record<string, unknown> = {},
) {
  const request = provisionRequest(platform, more);
  const answer = await provision(service, request);
  if (answer.statusCode !== 202) throw new Error(answer.body);
  await stepTo(service, request.uuid, 'serve');
  const token = addPerson(platform, 'dev@example.com', [request.uuid]);
  return { id: request.uuid, name: request.name, token, logToken: `t.${request.uuid}` };
}

export function addPerson(platform: FakePlatform, email: string, addons: string[]): string {
  const token = `HRKU-${randomUUID()}`;
  platform.persons.set(token, { id: randomUUID(), email, addons: new Set(addons) });
  return token;
}

export type Method = 'GET' | 'POST' | 'DELETE';

/** A call of the add-on API under a person's token. */
export function call(service: Service, token: string, method: Method, path: string, payload?: object) {
  return service.app.inject({
    ...{ method, url: `/heroku/resources/${path}` },
    headers: { authorization: `Bearer ${token}` },
    ...(payload && { payload }),
  });
}

/** Waits for a condition, a minute at most. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
