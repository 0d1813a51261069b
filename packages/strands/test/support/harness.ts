import pg from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { TestPostgres } from '../../../../test/support/test-postgres.js';
import { type AnyKind, createStrands, type StrandOptions, type Strands } from '../../src/index.js';
import { migrate } from '../../src/schema.js';

export interface Harness {
  pool: pg.Pool;
  connection: pg.ClientConfig;
  /** A worker on this test's database; stopped after the test. */
  worker(kinds: AnyKind[], options?: StrandOptions): Strands;
  /** Lets every lease and every nap of the strand run out, as if time had passed. */
  timePasses(id: string): Promise<void>;
  log(id: string): Promise<{ label: string; outcome: string; next_label: string | null; error: string | null }[]>;
}

/** One server per test file; a fresh copy of a migrated template database per test. */
export function useDatabase(): () => Promise<Harness> {
  let server: TestPostgres;
  let template: string;
  const cleanUps: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    server = await TestPostgres.start();
    template = await server.database();
    const pool = new pg.Pool(server.connection(template));
    await migrate(pool);
    await pool.end();
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });
  afterAll(() => server?.stop());

  return async () => {
    const connection = server.connection(await server.database(template));
    const pool = new pg.Pool({ ...connection, max: 12 });
    pool.on('error', () => {});
    cleanUps.push(() => pool.end());
    return {
      pool,
      connection,
      worker(kinds, options) {
        const strands = createStrands(pool, kinds, { leaseSeconds: 2, pollSeconds: 0.2, ...options });
        cleanUps.push(() => strands.stop());
        return strands;
      },
      async timePasses(id) {
        await pool.query(
          `update strands.strand set run_at = least(run_at, now()),
             lease_until = case when lease is not null then least(lease_until, now()) end where id = $1`,
          [id],
        );
      },
      async log(id) {
        const sql =
          'select label, outcome, next_label, error from strands.strand_log where strand_id = $1 order by seq';
        return (await pool.query(sql, [id])).rows;
      },
    };
  };
}

/** Waits for a condition, a minute at most. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A promise that the test resolves: holds a label where the test wants it. */
export function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
