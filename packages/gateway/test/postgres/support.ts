import { execFile, execFileSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { GatewayConfig, GatewayConfigInput } from '@borealis/contract';
import pg from 'pg';
import { pino } from 'pino';
import type { SqlFront, Target } from '../../src/front.js';
import { createSqlFront } from '../../src/postgres/front.js';
import { PASSWORDS, testConfig, testTunnel } from '../../src/postgres/testing/config.js';
import { type Door, openDoor } from '../../src/postgres/testing/loopback-door.js';
import { type RealPostgres, realPostgres } from '../../src/postgres/testing/real-postgres.js';

export { NEW_PASSWORD, PASSWORDS, scramBackend, testConfig } from '../../src/postgres/testing/config.js';

/** A front before a real PostgreSQL, with a door for each tenant's tunnel. */
export interface House {
  postgres: RealPostgres;
  config: GatewayConfig;
  front: SqlFront;
  logged: string[];
  door(tenant: string, target?: Target): Promise<Door>;
  /** Another front before the same server, for tests that change the configuration. */
  withConfig(changes: Partial<GatewayConfigInput>): Promise<House>;
  close(): Promise<void>;
}

/** `bin`: where the programs of another major are. */
export async function openHouse(bin?: string): Promise<House> {
  const postgres = await realPostgres(bin);
  const house = makeHouse(postgres, await testConfig(postgres));
  return { ...house, close: () => house.close().then(() => postgres.remove()) };
}

function makeHouse(postgres: RealPostgres, config: GatewayConfig): House {
  const logged: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) });
  const front = createSqlFront(config, log);
  const doors: Promise<Door>[] = [];
  const others: House[] = [];
  return {
    postgres,
    config,
    front,
    logged,
    door: (tenant, target) => {
      const door = openDoor(() => front, testTunnel(config, tenant), target);
      doors.push(door);
      return door;
    },
    withConfig: async (changes) => {
      const other = makeHouse(postgres, await testConfig(postgres, changes));
      others.push(other);
      return other;
    },
    close: async () => {
      await Promise.all(others.map((other) => other.close()));
      await front.close();
      for (const door of doors) await (await door).close();
    },
  };
}

/** Options of a `pg` client for a role of the tests; the certificate is not checked unless `ssl` says so. */
export function clientOptions(port: number, role = 'app_rw_alpha', more: pg.ClientConfig = {}): pg.ClientConfig {
  const [host, database, password] = ['127.0.0.1', role.split('_')[2]!, PASSWORDS[role] ?? 'none'];
  return { host, port, user: role, database, password, ssl: { rejectUnauthorized: false }, ...more };
}

/** A connected `pg` client whose later errors are kept in `errors`. */
export async function connected(port: number, role?: string, more?: pg.ClientConfig) {
  const client = new pg.Client(clientOptions(port, role, more));
  const errors: (Error & { code?: string })[] = [];
  client.on('error', (error) => errors.push(error));
  await client.connect();
  return Object.assign(client, { errors });
}

/** What a refused login says. */
export async function refusal(
  options: pg.ClientConfig,
): Promise<{ code?: string; message: string; severity?: string }> {
  const client = new pg.Client(options);
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    const { code, message, severity } = error as pg.DatabaseError;
    return { code: code!, message, severity: severity! };
  }
  await client.end();
  throw new Error('the login succeeded');
}

/** A superuser's client straight at the server, behind the gateway's back. */
export async function admin(postgres: RealPostgres, database = 'postgres'): Promise<pg.Client> {
  const client = new pg.Client({ host: postgres.socketDirectory, port: postgres.port, user: 'postgres', database });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Waits, generously, until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    if (await condition()) return;
    await sleep(20);
  }
  throw new Error(`waited a minute in vain until ${what}`);
}

/** A socket with what it has received; `closed` resolves when the other side is done. */
export interface RawClient {
  socket: Socket | TLSSocket;
  received(): Buffer;
  closed: Promise<void>;
}

export function raw(socket: Socket | TLSSocket): RawClient {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return { socket, received: () => Buffer.concat(chunks), closed };
}

export const rawClient = (port: number): RawClient => raw(connect({ port, host: '127.0.0.1', noDelay: true }));

/** TLS at once, as PostgreSQL 17's `sslnegotiation=direct` does. Rejects when the handshake fails. */
export function directTls(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const all = { port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['postgresql'], ...options };
    const socket = tlsConnect(all, () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed during the handshake')));
  });
}

export const hasPsql = (() => {
  try {
    execFileSync('psql', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Runs the system's psql; resolves with what it printed and how it ended. */
export function psql(dsn: string, args: string[], password = PASSWORDS.app_rw_alpha!) {
  const env = { ...process.env, PGPASSWORD: password, PGSSLCERT: '/nonexistent' };
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile('psql', ['-XAtq', ...args, dsn], { env }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out: out.trim(), err: err.trim() });
    });
  });
}
