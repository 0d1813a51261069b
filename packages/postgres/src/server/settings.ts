import { majorOf } from '../release/offers.js';
import { replicationSettings } from '../replication/settings.js';
import { clusterName } from './cluster-processes.js';
import type { ServerSpec } from './spec.js';
import { archiveSettings } from './wal-archiving.js';

/** Memory, connections and workers that fit a plan; pages are only used once data fills them, so idle servers stay small. */
export function settingsFor(plan: { memoryGiB: number; vcpu: number }): Record<string, string> {
  const { memoryGiB, vcpu } = plan;
  // The smallest plan is kept dense: what an idle server touches grows with buffers, connections and workers.
  const smallest = memoryGiB <= 1;
  const mb = (perGiB: number, least: number, most: number) =>
    `${Math.round(Math.min(most, Math.max(least, memoryGiB * perGiB)))}MB`;
  return {
    shared_buffers: smallest ? '64MB' : mb(128, 64, 16_384),
    effective_cache_size: mb(640, 128, 131_072),
    work_mem: mb(2, 4, 64),
    maintenance_work_mem: mb(48, 32, 1024),
    max_connections: String(Math.min(500, 60 + 20 * Math.max(0, Math.round(memoryGiB - 1)))),
    max_worker_processes: String(4 + vcpu),
    max_parallel_workers: String(Math.max(1, vcpu)),
    max_parallel_workers_per_gather: String(Math.min(2, Math.max(0, vcpu - 1))),
    autovacuum_max_workers: smallest ? '2' : '3',
    // Two for each of the most nodes that a plan has, the rest for copies and upgrades under way. The same for every plan: nodes may come and
    // go while the server runs, and a standby must have as many as its primary.
    max_wal_senders: '10',
    max_replication_slots: '10',
    io_method: smallest ? 'sync' : 'worker',
    io_workers: String(Math.min(3, Math.max(1, vcpu))),
    io_max_concurrency: '16',
  };
}

/** Settings that a major has not yet got are left out of its file. */
const SINCE_MAJOR: Record<string, number> = {
  transaction_timeout: 17,
  max_notify_queue_pages: 17,
  io_workers: 18,
  io_method: 18,
  io_max_concurrency: 18,
  max_active_replication_origins: 18,
};

/** What holds for every server, whatever its plan and settings say. */
function fixedSettings(spec: ServerSpec): Record<string, string> {
  return {
    listen_addresses: '',
    port: String(spec.port),
    unix_socket_directories: spec.socketDirectory,
    // Under peer the directory's group decides who comes in; otherwise the directory is its owner's alone.
    unix_socket_permissions: spec.access.method === 'scram' ? '0777' : '0770',
    cluster_name: clusterName(spec.dataDirectory),
    update_process_title: 'on',
    ssl: 'off',
    password_encryption: 'scram-sha-256',
    // A prepared transaction would outlive its session, and so its role and a restriction of its database.
    max_prepared_transactions: '0',
    ...archiveSettings(spec),
    ...replicationSettings(spec),
  };
}

const DEFAULTS: Record<string, string> = {
  jit: 'off',
  huge_pages: 'off',
  // In the data directory, so that it goes with it: segments of a killed server would stay in /dev/shm for good, and belong to
  // whoever gets its user's number next.
  dynamic_shared_memory_type: 'mmap',
  superuser_reserved_connections: '5',
  // Costs no measurable WAL and lets a major upgrade copy a running cluster without a restart first.
  wal_level: 'logical',
  // A forgotten slot must not fill the disk.
  max_slot_wal_keep_size: '2GB',
  min_wal_size: '32MB',
  max_wal_size: '1GB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  default_text_search_config: 'pg_catalog.english',
  // The log is for operators: what tenants send, their data included, stays out of it.
  logging_collector: 'off',
  log_destination: 'stderr',
  log_line_prefix: '%m [%p] ',
  log_statement: 'none',
  log_min_duration_statement: '-1',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
};

/**
 * Along the newest timeline: a server that was rebuilt has several, and what is on none but an older one was lost with its log. Nobody reads
 * meanwhile, and the first that can connect finds it complete.
 */
function recoverySettings({ recovery }: ServerSpec): Record<string, string> {
  if (!recovery) return {};
  const target = {
    // While it reads its file PostgreSQL knows no names of zones yet.
    recovery_target_time: recovery.until?.replace(/z$/i, '+00:00') ?? '',
    recovery_target_inclusive: 'on',
    recovery_target_action: 'promote',
  };
  return {
    restore_command: recovery.restoreCommand,
    ...(recovery.until === null ? {} : target),
    recovery_target_timeline: 'latest',
    hot_standby: 'off',
  };
}

/** Every setting of a server's file: defaults, then the spec's, then those that nothing may change. */
export function serverSettings(spec: ServerSpec): Record<string, string> {
  const all = { ...DEFAULTS, ...spec.settings, ...fixedSettings(spec), ...recoverySettings(spec) };
  const major = Number(majorOf(spec.release.version));
  return Object.fromEntries(Object.entries(all).filter(([name]) => (SINCE_MAJOR[name] ?? 0) <= major));
}
