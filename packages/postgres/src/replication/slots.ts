import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

const IN_USE = '55006';
const PATIENCE_MS = 10_000;

/** Begins to keep the log for a standby from now on; what was kept under that name before is forgotten. */
export async function renewSlot(client: pg.Client, name: string): Promise<void> {
  await dropSlot(client, name);
  await client.query('select pg_create_physical_replication_slot($1, true)', [name]);
}

/** The names of all slots that keep the log for standbys. */
export async function listSlots(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select slot_name as name from pg_replication_slots where slot_type = 'physical' and not temporary`,
  );
  return rows.map(({ name }) => name);
}

/** Forgets the slot, and ends who is fed through it; one that is not there is no error. */
export async function dropSlot(client: pg.Client, name: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      await client.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1', [
        name,
      ]);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== IN_USE || Date.now() > deadline) throw error;
    }
    await client.query('select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1', [
      name,
    ]);
    await sleep(20);
  }
}
