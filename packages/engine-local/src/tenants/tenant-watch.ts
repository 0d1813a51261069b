import { setTimeout as sleep } from 'node:timers/promises';
import { connect, endProcesses, readServerUse } from '@borealis/postgres';
import { serverSpec, tenantBounds } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { type Offence, offences } from './offences.js';
import { readProcessUse } from './process-use.js';
import { Written } from './written.js';

/** One session fills the lock table in a little more than a second. */
const LOOK_MS = 200;
/** Without a tenant's session nothing can happen before somebody has logged in. */
const QUIET_MS = 1000;
/** How many looks at the server go to one at its processes. */
const LOOKS_A_SECOND = 5;

/**
 * Holds the tenants of a shared cluster to those bounds that PostgreSQL itself cannot: looks at their sessions, and ends those that
 * are beyond one. It changes nothing else, keeps nothing, and goes on with whatever server runs, until `signal` says so.
 */
export async function watchTenants(state: ClusterState, signal: AbortSignal): Promise<void> {
  const watch = new TenantWatch(state);
  while (!signal.aborted) {
    const pause = await watch.look();
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
  await watch.close();
}

type Client = Awaited<ReturnType<typeof connect>>;

class TenantWatch {
  #client: Client | null = null;
  #looks = 0;
  readonly #written: Written;

  constructor(private readonly state: ClusterState) {
    this.#written = new Written(tenantBounds(state));
  }

  /** One look; gives the milliseconds until the next. */
  async look(): Promise<number> {
    if (!this.state.server) return QUIET_MS;
    try {
      this.#client ??= await connect(serverSpec(this.state));
      return await this.#watch(this.#client);
    } catch (error) {
      // The server was restarted, or is about to be: the next look finds the new one.
      this.state.context.log.debug({ cluster: this.#id, err: error }, 'the tenants could not be watched');
      await this.close();
      return QUIET_MS;
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }

  get #id(): string {
    return this.state.journal.record.id;
  }

  async #watch(client: Client): Promise<number> {
    const use = await readServerUse(client);
    const atProcesses = this.#looks++ % LOOKS_A_SECOND === 0;
    const { memory, written } = await readProcessUse(atProcesses ? use.processes.map(({ pid }) => pid) : []);
    const found = offences(use, tenantBounds(this.state), memory);
    if (atProcesses) found.push(...this.#written.note(use.processes, written));
    await this.#end(client, found);
    return use.processes.length > 0 ? LOOK_MS : QUIET_MS;
  }

  async #end(client: Client, found: readonly Offence[]): Promise<void> {
    if (found.length === 0) return;
    await endProcesses(
      client,
      found.map(({ process }) => process),
    );
    for (const { process, reason } of found)
      this.state.context.log.warn({ cluster: this.#id, database: process.database, reason }, 'a session was ended');
  }
}
