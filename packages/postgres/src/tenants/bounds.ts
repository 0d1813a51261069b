/** What one tenant of a shared server may take; a tenant is a database with its roles. Each bound has its reason beside its value. */
export interface TenantBounds {
  /** Sessions in its database, of all its roles. */
  connections: number;
  /** Sessions of one personal or integration role. */
  connectionsOfPerson: number;
  /** Memory that one process may have for itself, in MiB. */
  privateMemoryMiB: number;
  /** Memory of all its processes, in MiB. */
  memoryMiB: number;
  /** Temporary files of one process, in MiB. */
  temporaryFilesOfProcessMiB: number;
  /** Temporary files of all its processes, in MiB. */
  temporaryFilesMiB: number;
  /** Entries in the lock table. */
  locks: number;
  transactionSeconds: number;
  statementSeconds: number;
  idleInTransactionSeconds: number;
  /** Time that one automatic vacuum or analyze of its tables may take. */
  maintenanceSeconds: number;
  /** Size of the server's one queue of notifications at which those who fill it or hold it up are ended, in MiB. */
  notificationQueueMiB: number;
  /** What its processes may write at once (WAL, temporary files, pages), in MiB, and how much of that is given back each minute. */
  writtenMiB: number;
  writtenMiBPerMinute: number;
}

export const TENANT_BOUNDS: TenantBounds = {
  // Fifteen tenants at their limit fill a server; an app on the free plan has one or two dynos.
  connections: 20,
  // A person's tools must not keep his own app out.
  connectionsOfPerson: 10,
  // Enough for a dump, a restore and an index of a database of 1 GiB.
  privateMemoryMiB: 256,
  memoryMiB: 1024,
  // A sort of a whole database of 1 GiB needs about as much, and seldom happens.
  temporaryFilesOfProcessMiB: 512,
  temporaryFilesMiB: 1024,
  // A dump locks every table. The table has room for 320,000, and one session takes some 250,000 in a second.
  locks: 20_000,
  // An old transaction keeps what others delete, and would in the end stop the whole server (wraparound).
  transactionSeconds: 3600,
  statementSeconds: 1800,
  idleInTransactionSeconds: 600,
  // There are three workers for all tenants, and a tenant's own functions run in them.
  maintenanceSeconds: 600,
  notificationQueueMiB: 32,
  // The restore of a full database writes it twice or three times.
  writtenMiB: 4096,
  writtenMiBPerMinute: 512,
};

/** So many databases another server can be fed with at a time: a major upgrade and its way back do that with all that there are. */
const FED = 100;

/** What a server that tenants share is run with, beside what its size gives. */
export function sharedServerSettings(bounds: TenantBounds): Record<string, string> {
  return {
    max_connections: '300',
    // For each of some 530 processes that there may be, so for 340,000 in all: an exhausted table lets nobody connect or write.
    max_locks_per_transaction: '640',
    max_pred_locks_per_transaction: '160',
    max_wal_senders: String(FED + 20),
    // Two tables of each are copied at a time, with a slot of their own. Where rows arrive there has to be one for the place in each log, too.
    max_replication_slots: String(3 * FED + 10),
    max_active_replication_origins: String(3 * FED + 10),
    max_logical_replication_workers: String(FED + 2),
    max_worker_processes: String(FED + 10),
    max_prepared_transactions: '0',
    temp_file_limit: `${bounds.temporaryFilesOfProcessMiB}MB`,
    // Tenants can lift these three; they tell an honest one by a clear error what the keeper enforces otherwise.
    statement_timeout: `${bounds.statementSeconds}s`,
    idle_in_transaction_session_timeout: `${bounds.idleInTransactionSeconds}s`,
    transaction_timeout: `${bounds.transactionSeconds}s`,
    // In pages of 8 KiB: 256 MiB on disk at most.
    max_notify_queue_pages: '32768',
  };
}
