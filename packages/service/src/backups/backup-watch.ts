import { type DatabaseBackup, type Engine, EngineError } from '@borealis/engine';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { ControlDatabase } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { untilStopped } from '../loop.js';
import { type BackupPolicy, lastNight, retryPause } from './backup-policy.js';
import {
  type DueBackup,
  forgetMissed,
  keepReceipt,
  listBackups,
  nextDue,
  tryAgain,
  wantBackup,
} from './backup-store.js';
import { superfluousBackups } from './retention.js';

interface Parts {
  db: ControlDatabase;
  engine: Engine;
  policy: BackupPolicy;
  log: Logger;
}

const WITHOUT_ENGINE_SECONDS = 10;

/** Makes a backup of every add-on each night and proves what is kept, one after the other. All of it may be begun again at any point. */
export class BackupWatch {
  /** Ends the pause between two turns. */
  onWake: () => void = () => {};

  constructor(private readonly parts: Parts) {}

  /** Something became due. */
  wake(): void {
    this.onWake();
  }

  /** Does one thing that is due; returns the milliseconds to the next turn. */
  async turn(stopping: AbortSignal): Promise<number> {
    const { db, policy } = this.parts;
    await this.#planNights();
    const due = await nextDue(db);
    if (!due) return policy.tick * 1000;
    await this.#advance(due, stopping);
    return 0;
  }

  async #planNights(): Promise<void> {
    const { db, policy } = this.parts;
    const rows = await db.sql
      .selectFrom('addon')
      .select(['id', 'available_at', sql<Date>`now()`.as('now')])
      .select((e) =>
        e
          .selectFrom('backup')
          .select(sql<string | null>`max(name)`.as('name'))
          .whereRef('addon_id', '=', 'addon.id')
          .where('reason', '=', 'night')
          .as('newest'),
      )
      .where('available_at', 'is not', null)
      .where('destroy_requested_at', 'is', null)
      .execute();
    for (const { id, available_at, now, newest } of rows) {
      const { name, at } = lastNight(id, now, policy);
      if (at.getTime() < available_at!.getTime() + policy.settle * 1000 || (newest ?? '') >= name) continue;
      await db.transaction(async (tx) => {
        await forgetMissed(tx, id, name);
        await wantBackup(tx, id, name, 'night');
      });
    }
  }

  async #advance(due: DueBackup, stopping: AbortSignal): Promise<void> {
    const { engine, policy, log } = this.parts;
    const { cluster_id, database_name, name } = due;
    try {
      const work = due.receipt
        ? engine.proveBackup(cluster_id, database_name, name).catch((error: unknown) => lost(due.receipt!, error))
        : engine.backUpDatabase(cluster_id, database_name, name);
      const receipt = await untilStopped(work, stopping);
      if (!receipt) return;
      await this.#keep(due, receipt);
      if (receipt.proof) await this.#tidy(due);
    } catch (error) {
      if (error instanceof EngineError && error.code === 'unavailable') {
        await tryAgain(this.parts.db, due, { error: error.message, tries: due.tries, pause: WITHOUT_ENGINE_SECONDS });
        return;
      }
      const tries = due.tries + 1;
      const sentence = error instanceof EngineError ? error.message : 'The service failed at it.';
      log.error(
        { alarm: 'backup', addon: due.addon_id, name: due.addon_name, backup: name, tries, err: error },
        due.receipt
          ? 'a backup could not be proven; it is tried again'
          : 'a backup could not be made; it is tried again',
      );
      await tryAgain(this.parts.db, due, { error: sentence, tries, pause: retryPause(tries, policy) });
      if (tries === policy.patience) await this.#tell(due, 'db-backup-failed', { what: sentence }, 'late');
    }
  }

  async #keep(due: DueBackup, receipt: DatabaseBackup): Promise<void> {
    const { db, policy, log } = this.parts;
    await keepReceipt(db, due.addon_id, receipt, policy.proveEvery);
    const { proof, bytes } = receipt;
    if (!proof) return;
    if (proof.failure === null) {
      const { tables, rows } = proof.checked;
      const seconds = receipt.seconds + proof.seconds;
      await this.#tell(due, 'db-backup-completed', { bytes, seconds, tables, rows }, 'proven');
    } else {
      const fields = { alarm: 'backup', addon: due.addon_id, name: due.addon_name, backup: receipt.name };
      log.error({ ...fields, failure: proof.failure }, 'a backup is not good');
      await this.#tell(due, 'db-backup-failed', { what: proof.failure }, 'bad');
    }
  }

  async #tell(
    { addon_id, name }: DueBackup,
    type: 'db-backup-completed' | 'db-backup-failed',
    attributes: Record<string, string | number>,
    what: string,
  ): Promise<void> {
    const dedupKey = `${addon_id}/backup/${name}/${what}`;
    await this.parts.db.transaction((tx) =>
      recordEvent(tx.sql, { addonId: addon_id, type, attributes: { backup: name, ...attributes }, dedupKey }),
    );
  }

  /** Takes over what the engine has and we do not know of, and removes what the policy does not keep. */
  async #tidy({ addon_id, cluster_id, database_name }: DueBackup): Promise<void> {
    const { db, engine, policy } = this.parts;
    const known = new Map((await listBackups(db, addon_id)).map((backup) => [backup.name, backup]));
    const there = await engine.backups(cluster_id, database_name);
    for (const receipt of there)
      if (!known.has(receipt.name)) await keepReceipt(db, addon_id, receipt, policy.proveEvery);
    const candidates = there.map(({ name, takenAt, proof }) => ({
      ...{ name, takenAt: new Date(takenAt), reason: known.get(name)?.reason ?? ('night' as const) },
      isGood: proof?.failure === undefined || proof.failure === null,
      isProven: proof?.failure === null,
    }));
    for (const { name } of superfluousBackups(candidates, policy, new Date())) {
      await engine.dropBackup(cluster_id, database_name, name);
      await db.sql.deleteFrom('backup').where('addon_id', '=', addon_id).where('name', '=', name).execute();
    }
  }
}

/** A backup that is gone is a bad one. */
function lost(receipt: DatabaseBackup, error: unknown): DatabaseBackup {
  if (!(error instanceof EngineError) || error.code !== 'not_found') throw error;
  const checked = { tables: 0, rows: 0, objects: 0, indexes: 0 };
  return { ...receipt, proof: { at: new Date().toISOString(), seconds: 0, failure: 'It is gone.', checked } };
}
