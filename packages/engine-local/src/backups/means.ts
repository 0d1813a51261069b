import type { PostgresMajor } from '@borealis/contract';
import { EngineError } from '@borealis/engine';
import { type ClientTools, ensureClientTools, ReleaseError } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';
import { BACKUP_BOUNDS, type BackupBounds } from './room.js';

export function boundsOf({ context }: ClusterState): BackupBounds {
  return { ...BACKUP_BOUNDS, ...context.options.backups };
}

/** What dumps and restores databases of this cluster, or of another major; throws `unsupported` with what to install, `not_ready` when it could not be fetched now. */
export async function toolsFor(
  { journal, context }: ClusterState,
  major: PostgresMajor = journal.record.spec.major,
): Promise<ClientTools> {
  try {
    return await ensureClientTools({ major, cacheDir: context.options.cacheDir });
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    const code = error.code === 'unavailable' ? 'not_ready' : 'unsupported';
    throw new EngineError(code, error.message, { cause: error });
  }
}
