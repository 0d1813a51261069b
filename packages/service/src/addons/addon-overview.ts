import type { Engine } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import type { ControlDatabase } from '../database.js';

/** Every add-on with what its strand is doing, for the operator. */
export class AddonOverview {
  constructor(
    private readonly db: ControlDatabase,
    private readonly strands: Strands,
    private readonly engine: Engine,
  ) {}

  async list() {
    const rows = await this.db.sql
      .selectFrom('addon')
      .innerJoin('storage', 'storage.addon_id', 'addon.id')
      .leftJoin('oauth_token', 'oauth_token.addon_id', 'addon.id')
      .selectAll('addon')
      .select(['oauth_token.state', 'storage.usage_bytes', 'storage.status as storage'])
      .orderBy('addon.created_at')
      .execute();
    const strands = new Map((await this.strands.list()).map((strand) => [strand.id, strand]));
    return Promise.all(
      rows.map(async (row) => {
        const strand = strands.get(row.id);
        return {
          id: row.id,
          name: row.name,
          plan: row.plan,
          postgresMajor: row.postgres_major,
          clusterId: row.cluster_id,
          status: row.destroy_requested_at ? 'destroying' : row.status,
          storage: row.storage,
          usageBytes: Number(row.usage_bytes),
          authorization: row.state,
          label: strand?.label ?? null,
          sentence: strand?.sentence ?? null,
          detail:
            strand?.label === 'waitCluster' || strand?.label === 'waitCopy' ? await this.#detail(row.cluster_id) : null,
          tries: strand?.tries ?? 0,
          parked: strand?.parked ?? false,
          error: strand?.error ?? null,
          createdAt: row.created_at.toISOString(),
        };
      }),
    );
  }

  /** What a cluster that is being made is waiting for, in the engine's words. */
  async #detail(clusterId: string): Promise<string | null> {
    const cluster = await this.engine.cluster(clusterId).catch(() => null);
    return cluster?.detail ?? null;
  }
}
