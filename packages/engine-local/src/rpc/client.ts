import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { Secret } from '@borealis/contract';
import {
  type DatabaseBackup,
  ENGINE_ERROR_CODES,
  type Engine,
  EngineError,
  type RestoreWindow,
  type StoredBackup,
  type StoredCluster,
  type StoredDatabase,
} from '@borealis/engine';
import { z } from 'zod';
import type { ControlDatabase } from '../control-database.js';

const refusal = z.object({
  code: z.enum(ENGINE_ERROR_CODES),
  message: z.string(),
  details: z.array(z.string()).default([]),
});

const controlDatabase = z.object({
  host: z.string(),
  port: z.number(),
  user: z.string(),
  password: z.string().transform((password) => new Secret(password)),
  database: z.string(),
});

/** The keeper's engine, over its socket. Throws `EngineError`; `unavailable` when no keeper answers. */
export function createEngineClient(socketPath: string): Engine {
  const call = <T>(method: string, path: string, body?: unknown) => send(socketPath, method, path, body) as Promise<T>;
  const at = (id: string, rest = '') => `/clusters/${encodeURIComponent(id)}${rest}`;
  const inDatabase = (id: string, database: string, rest = '', name?: string) =>
    at(
      id,
      `/databases/${encodeURIComponent(database)}${rest}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`,
    );
  return {
    releases: () => call('GET', '/releases'),
    allowRelease: (version) => call('POST', `/releases/${encodeURIComponent(version)}/allow`),
    createCluster: (id, spec) => call('PUT', at(id), spec),
    changeCluster: (id, spec) => call('POST', at(id, '/change'), spec),
    replacePrimary: (id, how) => call('POST', at(id, '/replace-primary'), { how }),
    cluster: async (id) => (await call<{ cluster: Awaited<ReturnType<Engine['cluster']>> }>('GET', at(id))).cluster,
    applyAccess: (id, access) => call('PUT', at(id, '/access'), access),
    closeSessions: (id, who) => call('POST', at(id, '/close-sessions'), who),
    credentialUse: (id) => call('GET', at(id, '/credential-use')),
    upgradeGateway: (id) => call('POST', at(id, '/upgrade-gateway')),
    restoreWindow: async (id) =>
      (await call<{ window: RestoreWindow | null }>('GET', at(id, '/restore-window'))).window,
    storedBackup: async (id, database) =>
      (await call<{ backup: StoredBackup | null }>('GET', inDatabase(id, database, '/stored-backup'))).backup,
    findChanges: (id, database, query) => call('POST', inDatabase(id, database, '/changes'), query),
    storedCluster: async (name) =>
      (await call<{ stored: StoredCluster | null }>('GET', `/stored-clusters/${encodeURIComponent(name)}`)).stored,
    storedDatabase: async (name) =>
      (await call<{ stored: StoredDatabase | null }>('GET', `/stored-databases/${encodeURIComponent(name)}`)).stored,
    upgradeMajor: (id, wanted) => call('POST', at(id, '/major-upgrade'), wanted),
    cancelMajorUpgrade: (id, asked) => call('POST', at(id, '/major-upgrade/cancel'), { request: asked }),
    revertMajorUpgrade: (id, wanted) => call('POST', at(id, '/major-upgrade/revert'), wanted),
    upgradeMinor: (id, wanted) => call('POST', at(id, '/minor-upgrade'), wanted),
    copyDatabase: async (id, database, from) =>
      (await call<{ copied: boolean }>('POST', inDatabase(id, database, '/copy'), from)).copied,
    fillDatabase: async (id, database, dump) =>
      (await call<{ filled: boolean }>('POST', inDatabase(id, database, '/fill'), dump)).filled,
    usage: (id) => call('GET', at(id, '/usage')),
    capacity: () => call('GET', '/capacity'),
    extensions: (id, database) => call('GET', inDatabase(id, database, '/extensions')),
    installExtension: (id, database, name) => call('PUT', inDatabase(id, database, '/extensions', name)),
    removeExtension: (id, database, name) => call('DELETE', inDatabase(id, database, '/extensions', name)),
    dropDatabase: (id, name) => call('DELETE', inDatabase(id, name)),
    backUpDatabase: (id, database, name) => call('PUT', inDatabase(id, database, '/backups', name)),
    proveBackup: (id, database, name) => call('POST', `${inDatabase(id, database, '/backups', name)}/prove`),
    backups: async (id, database) =>
      (await call<{ backups: DatabaseBackup[] }>('GET', inDatabase(id, database, '/backups'))).backups,
    readBackup: (id, database, name) => read(socketPath, `${inDatabase(id, database, '/backups', name)}/content`),
    dropBackup: (id, database, name) => call('DELETE', inDatabase(id, database, '/backups', name)),
    destroyCluster: (id) => call('DELETE', at(id)),
    events: (cursor, waitSeconds) => {
      const query = new URLSearchParams({ wait: String(waitSeconds), ...(cursor === null ? {} : { cursor }) });
      return call('GET', `/events?${query.toString()}`);
    },
    caCertificate: async () => (await call<{ certificate: string }>('GET', '/ca')).certificate,
  };
}

/** Adopts or creates the service's own database through the keeper; resolves when it accepts connections. */
export async function requestControlDatabase(socketPath: string): Promise<ControlDatabase> {
  return controlDatabase.parse(await send(socketPath, 'PUT', '/control-database', undefined));
}

/** There is no time limit: some calls last as long as a download, and the socket breaks when the keeper dies. */
function send(socketPath: string, method: string, path: string, body: unknown): Promise<unknown> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = text === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => reject(unavailable(error)));
      response.on('end', () => {
        try {
          resolve(readAnswer(response.statusCode ?? 0, Buffer.concat(chunks).toString()));
        } catch (error) {
          reject(error);
        }
      });
    });
    outgoing.on('error', (error) => reject(unavailable(error)));
    outgoing.end(text);
  });
}

/** The answer as it comes; one that breaks off throws. */
function read(socketPath: string, path: string): Promise<AsyncIterable<Buffer>> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method: 'GET', path }, (response) => {
      if ((response.statusCode ?? 0) < 400) return resolve(response as AsyncIterable<Buffer>);
      text(response)
        .then((answer) => readAnswer(response.statusCode ?? 0, answer))
        .catch(reject);
    });
    outgoing.on('error', (error) => reject(unavailable(error)));
    outgoing.end();
  });
}

function readAnswer(status: number, text: string): unknown {
  const answer: unknown = text === '' ? undefined : JSON.parse(text);
  if (status < 400) return answer;
  const known = refusal.safeParse(answer);
  if (known.success) throw new EngineError(known.data.code, known.data.message, { details: known.data.details });
  throw new EngineError('internal', `The keeper answered with status ${status}.`);
}

function unavailable(cause: Error): EngineError {
  return new EngineError('unavailable', 'The keeper does not answer.', { cause });
}
