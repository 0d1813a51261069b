import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { homePaths, ofEra, ofNode } from '../../src/home/paths.js';

interface Known {
  superuserPassword: string;
  era: number;
  primary: number;
}

/** Runs one statement as the keeper's own role, without a keeper: straight on PostgreSQL's socket. */
export async function queryDirectly(home: string, id: string, sql: string, database = 'postgres'): Promise<unknown[]> {
  const first = homePaths(home).cluster(id);
  const { superuserPassword, era, primary } = JSON.parse(await readFile(first.record, 'utf8')) as Known;
  const paths = ofNode(ofEra(first, era), primary);
  const client = new pg.Client({
    host: paths.socketDirectory,
    port: 5432,
    user: 'borealis',
    password: superuserPassword,
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
