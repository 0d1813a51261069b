import type { ServerUse, TenantBounds, TenantProcess } from '@borealis/postgres';

/** A process that is ended because of a bound that its tenant went beyond, with a sentence that says which. */
export interface Offence {
  process: TenantProcess;
  reason: string;
}

/** What a look at the machine adds, by process: memory in bytes. */
export type MemoryOf = ReadonlyMap<number, number>;

const MIB = 1024 * 1024;

/** Who is to be ended, each process at most once. */
export function offences(use: ServerUse, bounds: TenantBounds, memory: MemoryOf): Offence[] {
  const found = [
    ...use.processes.flatMap((process) => offencesOfProcess(process, bounds)),
    ...byTenant(use.processes).flatMap((tenant) => offencesOfTenant(tenant, bounds, memory)),
    ...offencesAgainstQueue(use, bounds),
  ];
  return [...new Map(found.map((offence) => [offence.process.pid, offence])).values()];
}

/** The processes of each database. */
export function byTenant(processes: readonly TenantProcess[]): TenantProcess[][] {
  const tenants = new Map<string, TenantProcess[]>();
  for (const process of processes) tenants.set(process.database, [...(tenants.get(process.database) ?? []), process]);
  return [...tenants.values()];
}

function offencesOfProcess(process: TenantProcess, bounds: TenantBounds): Offence[] {
  if (process.maintenance)
    return over(process, process.transactionSeconds, bounds.maintenanceSeconds, 'automatic maintenance', 'seconds');
  return [
    ...over(process, process.transactionSeconds, bounds.transactionSeconds, 'a transaction', 'seconds'),
    ...over(process, process.statementSeconds, bounds.statementSeconds, 'a statement', 'seconds'),
    ...over(
      process,
      process.idleInTransactionSeconds,
      bounds.idleInTransactionSeconds,
      'an idle transaction',
      'seconds',
    ),
  ];
}

function over(process: TenantProcess, value: number, bound: number, what: string, unit: string): Offence[] {
  return value > bound ? [{ process, reason: `${what} took more than ${bound} ${unit}` }] : [];
}

/** Sums are bounded by ending who has most, one a look: what is left may well be within the bound. */
function offencesOfTenant(tenant: TenantProcess[], bounds: TenantBounds, memory: MemoryOf): Offence[] {
  const sums = [
    { of: ({ locks }: TenantProcess) => locks, bound: bounds.locks, what: 'locks' },
    {
      of: ({ temporaryBytes }: TenantProcess) => temporaryBytes / MIB,
      bound: bounds.temporaryFilesMiB,
      what: 'MiB of temporary files',
    },
    { of: ({ pid }: TenantProcess) => (memory.get(pid) ?? 0) / MIB, bound: bounds.memoryMiB, what: 'MiB of memory' },
  ];
  return sums.flatMap(({ of, bound, what }) => {
    if (tenant.reduce((sum, process) => sum + of(process), 0) <= bound) return [];
    const most = tenant.reduce((a, b) => (of(b) > of(a) ? b : a));
    return [{ process: most, reason: `the database had more than ${bound} ${what}` }];
  });
}

// Whoever is slower than this at taking notifications is ended when the queue is half as long again as it may be.
const SLOW_SECONDS = 5;

/**
 * The queue is one for all tenants. Those who fill it beyond its bound are ended, with those sessions of their database that hold it
 * up; when it grows nevertheless, whoever holds it up.
 */
function offencesAgainstQueue({ processes, notificationQueueBytes }: ServerUse, bounds: TenantBounds): Offence[] {
  const bound = bounds.notificationQueueMiB;
  const size = notificationQueueBytes / MIB;
  if (size <= bound) return [];
  const senders = new Set(processes.filter(({ notifying }) => notifying).map(({ database }) => database));
  const holdsUp = (process: TenantProcess, seconds: number) => process.unread || process.transactionSeconds > seconds;
  const guilty = processes.filter(
    (process) =>
      (senders.has(process.database) && (process.notifying || holdsUp(process, 0))) ||
      (size > bound * 1.5 && holdsUp(process, SLOW_SECONDS)),
  );
  return guilty.map((process) => ({ process, reason: `more than ${bound} MiB of notifications are waiting` }));
}
