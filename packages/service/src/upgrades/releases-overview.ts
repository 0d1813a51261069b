import type { ReleaseOverview } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { ControlDatabase } from '../database.js';
import type { MaintenancePolicy } from './maintenance-window.js';

/** What releases there are, which of them run where, and what is planned: for the operator. */
export class ReleasesOverview {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
    private readonly policy: MaintenancePolicy,
  ) {}

  async read(): Promise<ReleaseOverview> {
    const clusters = await this.db.sql
      .selectFrom('cluster')
      .leftJoin('minor_rollout as rollout', 'rollout.cluster_id', 'cluster.id')
      .select(['cluster.id', 'tenancy', 'postgres_major', 'version', 'state', 'due_at', 'error'])
      .orderBy('created_at')
      .execute();
    const addons = await this.db.sql
      .selectFrom('addon')
      .select(['id', 'name', 'cluster_id'])
      .where('destroy_requested_at', 'is', null)
      .orderBy('created_at')
      .execute();
    return {
      automatic: this.policy.automatic,
      releases: await this.engine.releases(),
      clusters: await Promise.all(
        clusters.map(async ({ id, tenancy, postgres_major, version, state, due_at, error }) => ({
          ...{ id, tenancy, major: postgres_major },
          ...(await this.#running(id)),
          addons: addons
            .filter(({ cluster_id }) => cluster_id === id)
            .map((addon) => ({ id: addon.id, name: addon.name })),
          rollout: version && state && due_at ? { version, state, dueAt: due_at.toISOString(), error } : null,
        })),
      ),
    };
  }

  async #running(id: string): Promise<Pick<ReleaseOverview['clusters'][number], 'version' | 'build'>> {
    const { version = null, build = 'npm' } = (await this.engine.cluster(id)) ?? {};
    return { version, build };
  }

  /** As `Engine.allowRelease`. */
  async allow(version: string): Promise<void> {
    await this.engine.allowRelease(version);
  }
}
