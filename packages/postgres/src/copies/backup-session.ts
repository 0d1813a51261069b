import { randomBytes } from 'node:crypto';
import type pg from 'pg';

/** What a server says when a copy of its files is complete. */
export interface BackupEnd {
  /** The files that make the copy start from the right place; the second is empty without tablespaces. */
  label: string;
  tablespaceMap: string;
  /** The first segment of the log that the copy needs, and the position where it is consistent. */
  firstSegment: string;
  stopLsn: string;
  segmentBytes: number;
  /** Later than every commit that the copy needs: ISO 8601 in UTC to the microsecond. */
  stoppedAt: string;
}

/** Keeps the log from now on as long as the client's session lasts. The server ends that session when it would have to keep too much. */
export async function keepLog(client: pg.Client): Promise<void> {
  const slot = `borealis_copy_${randomBytes(6).toString('hex')}`;
  await client.query('select pg_create_physical_replication_slot($1, true, true)', [slot]);
}

/**
 * Tells the server that its files are going to be copied, which lasts as long as the client's session: when that ends, for whatever reason,
 * the server forgets the copy.
 */
export async function beginBackup(client: pg.Client): Promise<void> {
  const begin = (await majorOf(client)) >= 15 ? 'pg_backup_start($1, true)' : 'pg_start_backup($1, true, false)';
  await client.query(`select ${begin}`, ['borealis']);
}

/** Ends what the same session began. */
export async function endBackup(client: pg.Client): Promise<BackupEnd> {
  const end = (await majorOf(client)) >= 15 ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
  const stop = await client.query<{ lsn: string; label: string; map: string }>(
    `select lsn::text, labelfile as label, spcmapfile as map from ${end}`,
  );
  const { lsn, label, map } = stop.rows[0]!;
  const now = await client.query<{ at: string; segment: number }>(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, setting::int as segment
     from pg_settings where name = 'wal_segment_size'`,
  );
  const firstSegment = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$/m.exec(label)?.[1];
  if (!firstSegment) throw new Error('BUG: the server does not say where its log has to be read from');
  const { at, segment } = now.rows[0]!;
  return { label, tablespaceMap: map, firstSegment, stopLsn: lsn, segmentBytes: segment, stoppedAt: at };
}

async function majorOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ major: number }>(
    `select current_setting('server_version_num')::int / 10000 as major`,
  );
  return rows[0]!.major;
}
