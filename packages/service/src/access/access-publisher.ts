import type { Engine } from '@borealis/engine';
import type { ControlDatabase } from '../database.js';
import { accessDocument } from './access-document.js';

/** Brings access documents to the engine, one at a time per add-on; callers who come meanwhile share the next one. */
export class AccessPublisher {
  readonly #running = new Map<string, Promise<void>>();

  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
  ) {}

  /** Resolves when the engine runs by this revision or a newer one, or when the add-on is gone; passes the engine's errors on. */
  async publish(addonId: string, revision: number): Promise<void> {
    while (!(await this.isApplied(addonId, revision))) {
      const running = this.#running.get(addonId);
      // Its document may be older than ours, and its failure belongs to whoever started it.
      if (running !== undefined) await running.catch(() => {});
      else await this.#start(addonId);
    }
  }

  /** True when the engine is known to run by this revision or a newer one, or when there is no such add-on. */
  async isApplied(addonId: string, revision: number): Promise<boolean> {
    const row = await this.db.sql
      .selectFrom('addon')
      .select('applied_revision')
      .where('id', '=', addonId)
      .executeTakeFirst();
    return !row || row.applied_revision >= revision;
  }

  #start(addonId: string): Promise<void> {
    const run = this.#apply(addonId).finally(() => this.#running.delete(addonId));
    this.#running.set(addonId, run);
    return run;
  }

  async #apply(addonId: string): Promise<void> {
    const document = await this.db.transaction((tx) => accessDocument(tx, addonId));
    if (!document) return;
    const { clusterId, access } = document;
    await this.engine.applyAccess(clusterId, access);
    await this.db.sql
      .updateTable('addon')
      .set({ applied_revision: access.revision })
      .where('id', '=', addonId)
      .where('applied_revision', '<', access.revision)
      .execute();
  }
}
