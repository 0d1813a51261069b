import { type Engine, EngineError, type StoredCluster } from '@borealis/engine';
import { AppError } from '../errors.js';

/** What the engine's object store has under that name; throws `noStoredBackup`, or `backupRefused` with the reason. */
export async function findBackup(engine: Engine, backup: string): Promise<StoredCluster> {
  try {
    const found = await engine.storedCluster(backup);
    if (found) return found;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'unsupported')
      throw new AppError('backupRefused', { reason: error.message }, { cause: error });
    throw error;
  }
  throw new AppError('noStoredBackup', { backup });
}
