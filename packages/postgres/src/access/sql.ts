import type pg from 'pg';
import type { ConnectTo } from './wanted.js';

// Any number will do; all callers of a server share it.
const LOCK = 7_216_543;

/** Runs `work` with a connection to `postgres` while nobody else changes databases or roles of the server; waits up to 30 s for that. */
export async function withAccessLock<T>(connectTo: ConnectTo, work: (service: pg.Client) => Promise<T>): Promise<T> {
  const service = await connectTo('postgres');
  try {
    await service.query('select pg_advisory_lock($1)', [LOCK]);
    return await work(service);
  } finally {
    await service.end();
  }
}

/** Runs `work` with a connection to that database. */
export async function withDatabase<T>(
  connectTo: ConnectTo,
  name: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connectTo(name);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Runs a query whose rows are statements (made by `format` with quoted names), then those statements. */
export async function runPlanned(client: pg.Client, query: string, values: unknown[]): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(query, values);
  for (const { statement } of rows) await client.query(statement);
}

/** Runs `work` in a transaction. */
export async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}
