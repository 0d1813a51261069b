import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { writeConfiguration } from '../server/configuration.js';
import { connect, withConnection } from '../server/connection.js';
import { createDataDirectory } from '../server/data-directory.js';
import { findServer } from '../server/identity.js';
import type { ServerSpec } from '../server/spec.js';
import { startServer } from '../server/start.js';
import { endUnborn, stopServer } from '../server/stop.js';
import type { Prelude } from './prelude.js';

const { escapeIdentifier, escapeLiteral } = pg;

/** Settings of a server whose data is thrown away: nothing is ever flushed, and its log can be judged. */
export const SCRATCH_SETTINGS: Record<string, string> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
  log_line_prefix: '%e ',
};

/** The role that restores there. It is no superuser: a dump is full of what its tenant wrote, and some of it runs while it is restored. */
export interface Restorer {
  name: string;
  password: string;
}

/** Makes and starts the server, with an empty database that the restorer owns and what the dump takes for granted. */
export async function startScratchServer(spec: ServerSpec, database: string, prelude: Prelude): Promise<Restorer> {
  await createDataDirectory(spec);
  await writeConfiguration(spec);
  await startServer(spec);
  const restorer = { name: 'app_rw_proof', password: randomBytes(24).toString('hex') };
  await withConnection(spec, 'postgres', async (client) => {
    const [owner, secret] = [escapeIdentifier(restorer.name), escapeLiteral(restorer.password)];
    await client.query(`create role ${owner} login bypassrls password ${secret}`);
    for (const role of prelude.roles) await client.query(`create role ${escapeIdentifier(role)} nologin`);
    await client.query(`create database ${escapeIdentifier(database)} owner ${owner}`);
  });
  await withConnection(spec, database, (client) => prepare(client, restorer.name, prelude));
  return restorer;
}

async function prepare(client: pg.Client, owner: string, { extensions }: Prelude): Promise<void> {
  await client.query(`alter schema public owner to ${escapeIdentifier(owner)}`);
  for (const { schema } of extensions) {
    if (!/^pg_/.test(schema)) await client.query(`create schema if not exists ${escapeIdentifier(schema)}`);
    await client.query(`grant usage, create on schema ${escapeIdentifier(schema)} to ${escapeIdentifier(owner)}`);
  }
  for (const { name, schema, version } of await inOrder(client, extensions)) {
    const where = `schema ${escapeIdentifier(schema)} version ${escapeLiteral(version)}`;
    await client.query(`create extension if not exists ${escapeIdentifier(name)} ${where} cascade`);
  }
}

/** Those that others need come first, so that each gets its own schema. */
async function inOrder(client: pg.Client, extensions: Prelude['extensions']): Promise<Prelude['extensions']> {
  const { rows } = await client.query<{ name: string; version: string; requires: string[] }>(
    `select name, version, coalesce(requires::text[], '{}') as requires from pg_available_extension_versions`,
  );
  const needs = (one: Prelude['extensions'][number]) =>
    rows.find(({ name, version }) => name === one.name && version === one.version)?.requires ?? [];
  const sorted: Prelude['extensions'][number][] = [];
  const add = (one: Prelude['extensions'][number]) => {
    if (sorted.includes(one)) return;
    for (const name of needs(one)) for (const other of extensions) if (other.name === name) add(other);
    sorted.push(one);
  };
  for (const one of extensions) add(one);
  return sorted;
}

/** Ends the server of that spec, if one runs, whoever started it. */
export async function stopScratchServer(spec: Pick<ServerSpec, 'dataDirectory' | 'os'>): Promise<void> {
  const running = await findServer(spec);
  if (running) await stopServer(running, { mode: 'immediate', seconds: 10 });
  await endUnborn(spec);
}

/** Checks every B-tree index of the database against its table; the number of those that were checked. Throws at the first that is wrong. */
export async function checkIndexes(spec: ServerSpec, database: string, signal: AbortSignal): Promise<number> {
  const client = await connect(spec, database);
  const abort = () => void client.end().catch(() => {});
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    await client.query('create schema borealis_proof; create extension amcheck schema borealis_proof');
    const { rows } = await client.query<{ checked: string }>(INDEX_CHECK);
    return Number(rows[0]!.checked);
  } finally {
    signal.removeEventListener('abort', abort);
    await client.end().catch(() => {});
  }
}

const INDEX_CHECK = `
  with checked as materialized (
    select borealis_proof.bt_index_check(c.oid, heapallindexed => true)
    from pg_index join pg_class c on c.oid = indexrelid join pg_am a on a.oid = relam
    where amname = 'btree' and relkind = 'i' and indisvalid and indisready and relpersistence <> 't')
  select count(*) as checked from checked`;
