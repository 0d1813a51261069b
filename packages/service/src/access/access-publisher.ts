import { setTimeout as sleep } from 'node:timers/promises';
import { type Engine, EngineError } from '@borealis/engine';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import { accessDocument } from './access-document.js';

/** How long a request waits for a database that is just recovering. */
const PATIENCE_MS = 15_000;

/** Brings access documents to the engine, one at a time per cluster; callers who come meanwhile share the next one. */
export class AccessPublisher {
  readonly #running = new Map<string, Promise<void>>();

  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
  ) {}

  /** Resolves when the engine runs by this revision or a newer one, or when the cluster is gone; passes the engine's errors on. */
  async publish(clusterId: string, revision: number): Promise<void> {
    for (;;) {
      const state = await this.#revisions(clusterId);
      if (!state || state.applied_revision >= revision) return;
      const running = this.#running.get(clusterId);
      // Its document may be older than ours, and its failure belongs to whoever started it.
      if (running !== undefined) await running.catch(() => {});
      else await this.#start(clusterId);
    }
  }

  /** As `publish`, for whatever revision is the newest now. */
  async publishLatest(clusterId: string): Promise<void> {
    const state = await this.#revisions(clusterId);
    if (state) await this.publish(clusterId, state.access_revision);
  }

  /**
   * As `publish`, for requests that people wait for. A cluster that recovers is back in a second or two: better to wait for it than
   * to send the person away. Throws `engineBusy` when it takes longer than 15 seconds.
   */
  async publishPatiently(clusterId: string, revision: number): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.publish(clusterId, revision);
      } catch (error) {
        if (!(error instanceof EngineError) || !error.retryable) throw error;
        if (Date.now() > end) throw new AppError('engineBusy', {}, { cause: error });
        await sleep(250);
      }
    }
  }

  #revisions(clusterId: string) {
    return this.db.sql
      .selectFrom('cluster')
      .select(['access_revision', 'applied_revision'])
      .where('id', '=', clusterId)
      .executeTakeFirst();
  }

  #start(clusterId: string): Promise<void> {
    const run = this.#apply(clusterId).finally(() => this.#running.delete(clusterId));
    this.#running.set(clusterId, run);
    return run;
  }

  async #apply(clusterId: string): Promise<void> {
    const access = await this.db.transaction((tx) => accessDocument(tx, clusterId));
    if (!access) return;
    await this.engine.applyAccess(clusterId, access);
    await this.db.sql
      .updateTable('cluster')
      .set({ applied_revision: access.revision })
      .where('id', '=', clusterId)
      .where('applied_revision', '<', access.revision)
      .execute();
  }
}
