import type { TenantBounds, TenantProcess } from '@borealis/postgres';
import { byTenant, type Offence } from './offences.js';

const MIB = 1024 * 1024;

/**
 * How much each tenant has written lately: a bucket for each that what its processes write fills and time empties. The WAL that a
 * session makes is written by itself, or else by a process for all, which is nobody's and not counted.
 */
export class Written {
  readonly #levels = new Map<string, number>();
  #seen = new Map<string, number>();
  #at: number | null = null;

  constructor(private readonly bounds: TenantBounds) {}

  /** Takes what every process has written since it began, in bytes, and returns whose tenant has written too much. */
  note(processes: readonly TenantProcess[], total: ReadonlyMap<number, number>, now = Date.now()): Offence[] {
    const first = this.#at === null;
    const minutes = first ? 0 : (now - this.#at!) / 60_000;
    this.#at = now;
    const wrote = new Map<number, number>();
    const seen = new Map<string, number>();
    for (const { pid, started } of processes) {
      const bytes = total.get(pid) ?? 0;
      const key = `${pid} ${started}`;
      seen.set(key, bytes);
      // What was written before this keeper looked for the first time is not held against anybody.
      wrote.set(pid, first ? 0 : bytes - (this.#seen.get(key) ?? 0));
    }
    this.#seen = seen;
    this.#drain(minutes);
    return byTenant(processes).flatMap((tenant) => this.#fill(tenant, wrote));
  }

  #drain(minutes: number): void {
    for (const [database, level] of this.#levels) {
      const left = level - minutes * this.bounds.writtenMiBPerMinute;
      if (left > 0) this.#levels.set(database, left);
      else this.#levels.delete(database);
    }
  }

  #fill(tenant: readonly TenantProcess[], wrote: ReadonlyMap<number, number>): Offence[] {
    const { database } = tenant[0]!;
    const writers = tenant.filter(({ pid, maintenance }) => !maintenance && (wrote.get(pid) ?? 0) > 0);
    const added = writers.reduce((sum, { pid }) => sum + wrote.get(pid)!, 0) / MIB;
    const level = (this.#levels.get(database) ?? 0) + added;
    if (level > 0) this.#levels.set(database, level);
    if (level <= this.bounds.writtenMiB) return [];
    const { writtenMiB, writtenMiBPerMinute } = this.bounds;
    const reason = `the database wrote more than ${writtenMiB} MiB and ${writtenMiBPerMinute} MiB a minute`;
    return writers.map((process) => ({ process, reason }));
  }
}
