import type pg from 'pg';
import { TENANT_ROLE_PATTERN } from '../server/spec.js';

/** A tenant's process in a shared server: a session, a worker of one, or an automatic vacuum of its tables. Times in seconds. */
export interface TenantProcess {
  pid: number;
  /** When the process began, as the server writes it: with the pid it names one process only. */
  started: string;
  database: string;
  maintenance: boolean;
  /** True while it waits for its client to take what it sends. */
  unread: boolean;
  /** True while it puts notifications into the queue. */
  notifying: boolean;
  transactionSeconds: number;
  statementSeconds: number;
  idleInTransactionSeconds: number;
  locks: number;
  temporaryBytes: number;
}

export interface ServerUse {
  processes: TenantProcess[];
  notificationQueueBytes: number;
}

/** What tenants take of a shared server at this moment. One cheap query: it is asked several times a second. */
export async function readServerUse(client: pg.Client): Promise<ServerUse> {
  const { rows } = await client.query<{ processes: TenantProcess[]; queue: number }>({
    name: 'server-use',
    text: SERVER_USE,
    values: [TENANT_ROLE_PATTERN],
  });
  return { processes: rows[0]!.processes, notificationQueueBytes: rows[0]!.queue };
}

// The one lock by which whoever commits a notification keeps others from the queue: that of the database with the number 0.
const NOTIFYING = `locktype = 'object' and database = 0 and classid = 'pg_database'::regclass and objid = 0`;

// Before major 17 the queue has 1,048,576 pages.
const SERVER_USE = `
  with held as (
    select pid, count(*)::int as locks, bool_or(${NOTIFYING}) as notifying from pg_locks where pid is not null group by pid),
  files as (
    select (regexp_match(name, '^pgsql_tmp(\\d+)\\.'))[1]::int as pid, sum(size)::float8 as bytes from pg_ls_tmpdir() group by 1),
  processes as (
    select a.pid, backend_start::text as started, datname as database, backend_type = 'autovacuum worker' as maintenance,
      coalesce(wait_event = 'ClientWrite', false) as unread,
      coalesce(notifying, false) or query ~* '^\\s*notify\\M|\\mpg_notify\\M' and state = 'active' as notifying,
      coalesce(extract(epoch from clock_timestamp() - xact_start), 0)::float8 as "transactionSeconds",
      case when state = 'active' then coalesce(extract(epoch from clock_timestamp() - query_start), 0) else 0 end::float8
        as "statementSeconds",
      case when state like 'idle in transaction%' then extract(epoch from clock_timestamp() - state_change) else 0 end::float8
        as "idleInTransactionSeconds",
      coalesce(locks, 0) as locks, coalesce(bytes, 0) as "temporaryBytes"
    from pg_stat_activity a left join held using (pid) left join files using (pid)
    where usename ~ $1 or backend_type = 'autovacuum worker' and datname is not null)
  select coalesce((select json_agg(processes) from processes), '[]') as processes,
    pg_notification_queue_usage() * 8192 * coalesce(current_setting('max_notify_queue_pages', true)::float8, 1048576) as queue`;

/** Ends these processes; one that is another by now is left alone. */
export async function endProcesses(client: pg.Client, processes: readonly TenantProcess[]): Promise<void> {
  await client.query(
    `select pg_terminate_backend(a.pid) from pg_stat_activity a, unnest($1::int[], $2::text[]) as ended (pid, started)
     where a.pid = ended.pid and backend_start::text = started`,
    [processes.map(({ pid }) => pid), processes.map(({ started }) => started)],
  );
}
