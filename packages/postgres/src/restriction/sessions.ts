import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { TENANT_ROLE_PATTERN } from '../server/spec.js';

/** How long whoever is in the way may take to finish by himself. */
const GRACE_MS = 2_000;
const TERMINATION_MS = 15_000;
const LOOK_MS = 50;

/**
 * Ends the sessions of a database that are in a transaction begun before now, after a moment in which they may finish: rights and
 * refusals that are new may not have reached them. Where temporary tables exist, all its sessions end, since what they
 * hold could grow.
 */
export async function endOldTransactions(service: pg.Client, client: pg.Client, database: string): Promise<void> {
  const now = await service.query<{ now: string }>('select clock_timestamp()::text as now');
  const since = now.rows[0]!.now;
  await endSessions(service, 'xact_start < $3::timestamptz', database, since, GRACE_MS);
  const temporary = await client.query(
    `select from pg_class c join pg_namespace n on n.oid = relnamespace where nspname ~ '^pg_temp_' limit 1`,
  );
  if (temporary.rowCount) await endSessions(service, 'backend_start < $3::timestamptz', database, since, 0);
}

async function endSessions(service: pg.Client, which: string, database: string, since: string, grace: number) {
  const start = Date.now();
  for (;;) {
    const { rows } = await service.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = $1 and usename ~ $2 and ${which}`,
      [database, TENANT_ROLE_PATTERN, since],
    );
    if (rows.length === 0) return;
    const waited = Date.now() - start;
    if (waited > grace + TERMINATION_MS) throw new Error(`Sessions of the database "${database}" do not end.`);
    if (waited >= grace)
      await service.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [
        rows.map(({ pid }) => pid),
      ]);
    await sleep(LOOK_MS);
  }
}

const END_BLOCKERS = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where pid = any (pg_blocking_pids($1)) and (usename ~ $2 or backend_type = 'autovacuum worker')`;

/**
 * Runs `work`, a transaction of `client` that locks tables, and ends the sessions that still hold one of them after a moment.
 * New ones queue behind `work`, so that it always gets through.
 */
export async function endingBlockers(service: pg.Client, client: pg.Client, work: () => Promise<void>): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const waiting = new AbortController();
  const watching = watch(service, rows[0]!.pid, waiting.signal).catch(() => {});
  try {
    await work();
  } finally {
    waiting.abort();
    await watching;
  }
}

async function watch(service: pg.Client, pid: number, signal: AbortSignal): Promise<void> {
  await sleep(GRACE_MS, undefined, { signal });
  while (!signal.aborted) {
    await service.query(END_BLOCKERS, [pid, TENANT_ROLE_PATTERN]);
    await sleep(LOOK_MS, undefined, { signal });
  }
}
