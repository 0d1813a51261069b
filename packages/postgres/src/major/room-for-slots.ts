import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';

/** Rows are copied through one of their own, of two tables at least. */
const COPYING = 2;

/** Why the running server could not feed copies of so many databases at once, a sentence that says what to do; null when it could. */
export async function findNoSlots(spec: ServerSpec, databases: number): Promise<string | null> {
  return withConnection(spec, 'postgres', async (client) => {
    const { rows } = await client.query<{ free: number }>(FREE);
    const { free } = rows[0]!;
    const needed = databases + COPYING;
    if (free >= needed) return null;
    return `The upgrade takes ${needed} replication slots, two more than there are databases, and PostgreSQL has ${free} free; drop slots that nobody needs, or move databases away.`;
  });
}

const FREE = `
  select least(
    current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots),
    current_setting('max_wal_senders')::int - (select count(*) from pg_stat_replication))::int as free`;
