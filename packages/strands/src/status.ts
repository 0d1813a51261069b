import type { Pool } from 'pg';
import type { AnyKind, StrandStatus } from './types.js';

const SELECT = `
  select id, kind, label, tries - (lease is not null)::int as tries, parked_at is not null as parked, error, label_since as since,
    array(select name from strands.signal where strand_id = s.id order by seq) as signals
  from strands.strand s`;

type Row = Omit<StrandStatus, 'sentence'>;

/** Where a strand stands; null when there is none of this id, or no longer. */
export async function describe(pool: Pool, kinds: Map<string, AnyKind>, id: string): Promise<StrandStatus | null> {
  const { rows } = await pool.query<Row>(`${SELECT} where id = $1`, [id]);
  return rows[0] ? withSentence(kinds, rows[0]) : null;
}

/** All strands, parked ones first, then by age of their label. */
export async function list(pool: Pool, kinds: Map<string, AnyKind>): Promise<StrandStatus[]> {
  const { rows } = await pool.query<Row>(`${SELECT} order by parked_at is null, label_since, id`);
  return rows.map((row) => withSentence(kinds, row));
}

function withSentence(kinds: Map<string, AnyKind>, row: Row): StrandStatus {
  const known = kinds.get(row.kind)?.labels[row.label] as { sentence: string } | undefined;
  return { ...row, sentence: known?.sentence ?? `In a state that this version does not know: ${row.label}` };
}
