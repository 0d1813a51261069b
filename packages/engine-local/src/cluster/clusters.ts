import { readdir } from 'node:fs/promises';
import { EngineError } from '@borealis/engine';
import type { GatewayAddress } from '../gateway/address.js';
import { Mutex } from '../system/mutex.js';
import type { HomeContext } from './context.js';
import { ClusterReconciler } from './reconciler.js';
import { ClusterJournal, type ClusterRecord, removeEmptyDirectory } from './record.js';

/** All clusters of a home, each with the loop that looks after it. */
export class Clusters {
  readonly #reconcilers = new Map<string, ClusterReconciler>();
  /** One at a time: two new clusters must not be given the same address. */
  readonly #creations = new Mutex();
  #stopped = false;

  constructor(private readonly context: HomeContext) {}

  /** Takes up every cluster that has a record. One that cannot be read stops the keeper rather than being left alone. */
  async adoptAll(): Promise<void> {
    const { paths } = this.context.home;
    for (const id of await readdir(paths.clusters)) {
      const journal = await ClusterJournal.open(paths.cluster(id));
      if (journal) await this.take(journal);
      else if (!(await removeEmptyDirectory(paths.cluster(id).directory)))
        this.context.log.error({ cluster: id }, 'a cluster directory has no record; nothing in it is touched');
    }
    for (const reconciler of this.#reconcilers.values()) reconciler.start();
  }

  /** The living cluster of that id; undefined when it is unknown or gone. */
  find(id: string): ClusterReconciler | undefined {
    return this.#reconcilers.get(id);
  }

  /** Adopts the cluster of that id or creates it from the record that `allot` makes; a failure leaves nothing. */
  async adoptOrCreate(
    id: string,
    allot: (taken: GatewayAddress[]) => Promise<ClusterRecord>,
  ): Promise<ClusterReconciler> {
    return this.#creations.run(async () => {
      if (this.#stopped) throw new EngineError('unavailable', 'The keeper is stopping.');
      const found = this.#reconcilers.get(id);
      if (found) return found;
      const record = await allot(this.addresses());
      const journal = await ClusterJournal.create(this.context.home.paths.cluster(id), record);
      const reconciler = await this.take(journal);
      reconciler.start();
      return reconciler;
    });
  }

  /** Ends every loop; with `processes` also stops what runs, gateways first, all clusters side by side. */
  async stop(processes: boolean): Promise<void> {
    this.#stopped = true;
    await this.#creations.run(async () => undefined);
    const all = [...this.#reconcilers.values()];
    await Promise.all(all.map((reconciler) => reconciler.stop()));
    if (!processes) return;
    await Promise.all(all.map((reconciler) => reconciler.stopGateways()));
    await Promise.all(all.map((reconciler) => reconciler.stopServer()));
  }

  /** True when a cluster runs by the machine's own PostgreSQL. */
  runBySystem(): boolean {
    return [...this.#reconcilers.values()].some(({ state }) => state.journal.record.build === 'system');
  }

  private async take(journal: ClusterJournal): Promise<ClusterReconciler> {
    const { id } = journal.record;
    const reconciler = await ClusterReconciler.create(this.context, journal, () =>
      [...this.#reconcilers.values()].map(({ state }) => state),
    );
    this.#reconcilers.set(id, reconciler);
    // Forgotten as soon as it is gone, so that the id can be used again.
    void reconciler.until(() => (reconciler.gone ? true : undefined)).then(() => this.#reconcilers.delete(id));
    return reconciler;
  }

  private addresses(): GatewayAddress[] {
    return [...this.#reconcilers.values()].flatMap(({ state }) => state.journal.record.gateway?.address ?? []);
  }
}
