import type pg from 'pg';

/** A standby as its primary sees it; positions are bytes of log since the beginning. */
export interface StandbyStatus {
  name: string;
  /** False while it catches up with what was written before it came. */
  isStreaming: boolean;
  flushed: number;
  replayed: number;
}

export interface ReplicationStatus {
  /** How far the primary's own log is on its disk. */
  flushed: number;
  standbys: StandbyStatus[];
}

/** Reads how far the primary and each of its standbys are. */
export async function readReplication(client: pg.Client): Promise<ReplicationStatus> {
  const { rows } = await client.query<{
    own: string;
    name: string | null;
    state: string;
    flushed: string;
    replayed: string;
  }>(
    `select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::text as own, application_name as name, state,
       pg_wal_lsn_diff(coalesce(flush_lsn, '0/0'), '0/0')::text as flushed,
       pg_wal_lsn_diff(coalesce(replay_lsn, '0/0'), '0/0')::text as replayed
     from (select) as one left join pg_stat_replication on true`,
  );
  const standbys = rows.flatMap(({ name, state, flushed, replayed }) =>
    name === null
      ? []
      : [{ name, isStreaming: state === 'streaming', flushed: Number(flushed), replayed: Number(replayed) }],
  );
  return { flushed: Number(rows[0]!.own), standbys };
}

/** How far a standby's log is on its disk, in bytes since the beginning. */
export async function receivedUpTo(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ at: string }>(
    `select pg_wal_lsn_diff(greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'),
       coalesce(pg_last_wal_replay_lsn(), '0/0')), '0/0')::text as at`,
  );
  return Number(rows[0]!.at);
}

/**
 * The position from which on every commit waits for the standbys that the server's files name, once it has taken them over with `reload`:
 * whatever was acknowledged without waiting for them lies before it.
 */
export async function protectedFrom(client: pg.Client): Promise<number> {
  // Whether commits wait is noted by the process that also makes checkpoints, and before it begins the next one.
  await client.query('checkpoint');
  const { rows } = await client.query<{ at: string }>(
    `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text as at`,
  );
  return Number(rows[0]!.at);
}

/** What commits wait for now, as a new session sees it. */
export async function synchronousNames(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ names: string }>(
    `select current_setting('synchronous_standby_names') as names`,
  );
  return rows[0]!.names;
}
