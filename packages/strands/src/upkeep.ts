import type { Pool } from 'pg';
import type { Alert, AnyKind } from './types.js';

const REPEAT = `interval '1 hour'`;
const LOG_BATCH = 10_000;

/** Takes the alerts that are due; each comes to one worker, and again every hour while its cause lasts. */
export async function dueAlerts(pool: Pool, kinds: Iterable<AnyKind>): Promise<Alert[]> {
  const { rows } = await pool.query<Alert>(
    `update strands.strand s set alerted_at = now()
     from (
       select id from strands.strand
       left join jsonb_to_recordset($1) as d(kind text, label text, seconds float8) using (kind, label)
       where (alerted_at is null or alerted_at <= now() - ${REPEAT})
         and (parked_at is not null or label_since + d.seconds * interval '1 second' <= now())
     ) due
     where s.id = due.id and (s.alerted_at is null or s.alerted_at <= now() - ${REPEAT})
     returning s.id, s.kind, s.label, s.error, s.label_since as since,
       case when s.parked_at is not null then 'parked' else 'deadline' end as reason`,
    [JSON.stringify(deadlines(kinds))],
  );
  return rows;
}

function deadlines(kinds: Iterable<AnyKind>): { kind: string; label: string; seconds: number }[] {
  return [...kinds].flatMap((kind) =>
    Object.entries(kind.labels as Record<string, { deadlineSeconds?: number }>).flatMap(([label, definition]) =>
      definition.deadlineSeconds === undefined ? [] : [{ kind: kind.name, label, seconds: definition.deadlineSeconds }],
    ),
  );
}

/** Deletes log lines older than `days`, at most a batch at a time. */
export async function trimLog(pool: Pool, days: number): Promise<void> {
  await pool.query(
    `delete from strands.strand_log where seq in (
       select seq from strands.strand_log where at < now() - $1 * interval '1 day' order by at limit ${LOG_BATCH})`,
    [days],
  );
}
