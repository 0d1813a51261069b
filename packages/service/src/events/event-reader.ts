import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { ControlDatabase } from '../database.js';

const PAGE = 200;
const LOOK_AGAIN_MS = 300;

/** Reads the audit trail in the order in which it became visible. */
export class EventReader {
  #stopped = false;

  constructor(private readonly db: ControlDatabase) {}

  /** Lets waiting readers go with what there is. */
  stop(): void {
    this.#stopped = true;
  }

  /** Events after the cursor (null: none yet, only a cursor for what comes), waiting up to so many seconds for the first. */
  async read(after: string | null, waitSeconds: number) {
    let cursor = after ?? (await this.#now());
    const end = Date.now() + waitSeconds * 1000;
    for (;;) {
      const rows = await this.#page(cursor);
      const last = rows.at(-1);
      if (last) cursor = `${last.xid}.${last.id}`;
      if (last || Date.now() >= end || this.#stopped) return { events: rows.map(toEvent), cursor };
      await sleep(LOOK_AGAIN_MS);
    }
  }

  // Numbers are given out before commit. Ordered by transaction, and stopping before the oldest one that still runs, no reader
  // can pass an event that commits later.
  #page(cursor: string) {
    const [xid, id] = cursor.split('.');
    return this.db.sql
      .selectFrom('event')
      .selectAll()
      .where(sql<boolean>`(xid, id) > (${xid}::xid8, ${id}::bigint)`)
      .where(sql<boolean>`xid < pg_snapshot_xmin(pg_current_snapshot())`)
      .orderBy('xid')
      .orderBy('id')
      .limit(PAGE)
      .execute();
  }

  async #now(): Promise<string> {
    const { rows } = await sql<{ xid: string }>`select pg_snapshot_xmin(pg_current_snapshot()) as xid`.execute(
      this.db.sql,
    );
    return `${rows[0]!.xid}.0`;
  }
}

function toEvent(row: {
  at: Date;
  addon_id: string | null;
  addon_name: string | null;
  type: string;
  attributes: Record<string, string | number | boolean>;
}) {
  const { at, addon_id, addon_name, type, attributes } = row;
  return { at: at.toISOString(), addonId: addon_id, addonName: addon_name, type, attributes };
}
