import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Database } from './schema.js';

/** One transaction, seen both by the query builder and by whoever needs the plain client (strands do). */
export interface Transaction {
  sql: Kysely<Database>;
  client: pg.PoolClient;
}

/** The control database: a pool, the query builder on it, and transactions. */
export interface ControlDatabase {
  pool: pg.Pool;
  sql: Kysely<Database>;
  /** Commits when `work` resolves, rolls back when it throws. No work outside the database belongs inside. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens the pool; connects at the first query. `onError` hears of idle connections that broke. */
export function openDatabase(config: pg.PoolConfig, onError: (error: Error) => void): ControlDatabase {
  const pool = new pg.Pool(config);
  pool.on('error', onError);
  // A server that goes away raises this beside the failed query; unheard it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  const sql = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return {
    pool,
    sql,
    transaction: (work) => transaction(pool, work),
    // Kysely ends the pool only when it has used it, and migrations do not go through it.
    close: () => pool.end(),
  };
}

/** The query builder on one given connection, so that its statements join the transaction open there. */
export function queriesOn(client: pg.ClientBase): Kysely<Database> {
  const borrowed = { query: client.query.bind(client), release: () => {} };
  const pool = { connect: async () => borrowed, end: async () => {} };
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: pool as never }) });
}

async function transaction<T>(pool: pg.Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work({ sql: queriesOn(client), client });
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
