import type { Pool } from 'pg';

const LOCK = 0x5374_7261; // "Stra": one migration at a time over all workers

/** Forward only: never edit one that was released, append the next. */
const migrations = [
  `
  create table strands.strand (
    id text primary key,
    kind text not null,
    label text not null,
    frame jsonb not null,
    run_at timestamptz not null default now(),
    wake bigint not null default 0,
    tries integer not null default 0,
    crashes integer not null default 0,
    error text,
    parked_at timestamptz,
    lease uuid,
    leased_by text,
    leased_at timestamptz,
    lease_until timestamptz,
    label_since timestamptz not null default now(),
    alerted_at timestamptz,
    created_at timestamptz not null default now(),
    check ((lease is null) = (lease_until is null))
  );
  create index on strands.strand (run_at) where parked_at is null;
  comment on table strands.strand is 'One running workflow; gone when it is done';
  comment on column strands.strand.wake is 'Grows with every signal: a nap decided under an older value does not sleep';
  comment on column strands.strand.crashes is 'Claims since the last recorded outcome';

  create table strands.signal (
    strand_id text not null references strands.strand on delete cascade,
    name text not null,
    seq bigint not null generated always as identity,
    primary key (strand_id, name)
  );
  comment on table strands.signal is 'What a strand was asked and has not handled; raised again it gets a new seq';

  create table strands.strand_log (
    seq bigint primary key generated always as identity,
    at timestamptz not null default now(),
    strand_id text not null,
    kind text not null,
    label text not null,
    outcome text not null,
    next_label text,
    error text,
    worker text not null,
    started_at timestamptz not null
  );
  create index on strands.strand_log (strand_id, seq);
  create index on strands.strand_log (at);
  comment on table strands.strand_log is 'One line for each recorded outcome, kept for a while after the strand is gone';
  `,
];

/** Brings the schema `strands` up to date; safe to call from several processes at once. */
export async function migrate(pool: Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
    await client.query('create schema if not exists strands');
    await client.query('create table if not exists strands.migration (version integer primary key)');
    const { rows } = await client.query('select coalesce(max(version), 0) as version from strands.migration');
    for (let version = rows[0].version + 1; version <= migrations.length; version++) {
      await client.query(migrations[version - 1]!);
      await client.query('insert into strands.migration values ($1)', [version]);
    }
    await client.query('commit');
    client.release();
  } catch (error) {
    // The connection goes with its open transaction: a rollback could fail too.
    client.release(true);
    throw error;
  }
}
