import { randomBytes } from 'node:crypto';
import { Secret } from '@borealis/contract';
import type { ClusterRecord } from '../cluster/record.js';
import type { ClusterState } from '../cluster/state.js';
import type { ClusterPaths } from '../home/paths.js';
import { WalArchive } from './wal-archive.js';

/** A key for the archive of one cluster: 32 bytes in base64. */
export function generateArchiveKey(): Secret {
  return new Secret(randomBytes(32).toString('base64'));
}

/** True for clusters whose WAL is archived: those of one tenant. The service's own, which no tunnel leads to, is none of them. */
export function isArchived({ spec, gateway }: Pick<ClusterRecord, 'spec' | 'gateway'>): boolean {
  return spec.tenancy === 'isolated' && gateway !== null;
}

/** The archive of a cluster whose directories are there, in the era of `paths`. Only for one that `isArchived`. */
export function archiveOf(
  { journal: { record, paths: present }, users }: ClusterState,
  paths: ClusterPaths = present,
): WalArchive {
  if (!record.archiveKey) throw new Error('BUG: the archive has no key');
  return new WalArchive({
    directory: paths.archive,
    spool: paths.walSpool,
    uid: users?.postgres.uid ?? process.getuid!(),
    key: new Secret(Buffer.from(record.archiveKey.reveal(), 'base64')),
  });
}
