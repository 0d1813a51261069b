import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { homePaths, ofEra, ofNode } from '../../src/home/paths.js';

interface Place {
  era: number;
  node: number;
}

interface Known {
  superuserPassword: string;
  era: number;
  primary: number;
  former: Place | null;
}

/** Runs one statement as the keeper's own role, without a keeper: straight on PostgreSQL's socket. */
export async function queryDirectly(home: string, id: string, sql: string, database = 'postgres'): Promise<unknown[]> {
  return query(home, id, ({ era, primary }) => ({ era, node: primary }), sql, database);
}

/** The same on the server from before the last change of the major. */
export async function queryFormer(home: string, id: string, sql: string, database = 'postgres'): Promise<unknown[]> {
  return query(home, id, ({ former }) => former!, sql, database);
}

async function query(
  home: string,
  id: string,
  placeIn: (known: Known) => Place,
  sql: string,
  database: string,
): Promise<unknown[]> {
  const first = homePaths(home).cluster(id);
  const known = JSON.parse(await readFile(first.record, 'utf8')) as Known;
  const { era, node } = placeIn(known);
  const client = new pg.Client({
    host: ofNode(ofEra(first, era), node).socketDirectory,
    port: 5432,
    user: 'borealis',
    password: known.superuserPassword,
    database,
  });
  // PostgreSQL may be killed between the answer and the end.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
