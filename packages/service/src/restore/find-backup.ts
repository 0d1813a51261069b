import { type Engine, EngineError, type StoredCluster, type StoredDatabase } from '@borealis/engine';
import { AppError } from '../errors.js';

/** What an object store has under a name: a cluster, or one dump of a database. */
export type FoundBackup = { cluster: StoredCluster } | { database: StoredDatabase; dump: string };

/**
 * Names a backup in an object store, as `borealis import-backup --list` shows it: a cluster by two parts, a database by three, and behind a slash
 * one of its dumps; without, the newest is meant.
 */
export const STORED_BACKUP = /^[a-z0-9]+-[a-z0-9]+(-[a-z][a-z0-9_]*(\/[A-Za-z0-9][A-Za-z0-9-]{0,39})?)?$/;

/** What the engine's object store has under that name; throws `noStoredBackup`, or `backupRefused` with the reason. */
export async function findBackup(engine: Engine, backup: string): Promise<FoundBackup> {
  try {
    const found = await look(engine, backup);
    if (found) return found;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'unsupported')
      throw new AppError('backupRefused', { reason: error.message }, { cause: error });
    throw error;
  }
  throw new AppError('noStoredBackup', { backup });
}

/** The name of the database's dumps in the store, without that of the one. */
export function placeOf(backup: string): string {
  return backup.split('/')[0]!;
}

async function look(engine: Engine, backup: string): Promise<FoundBackup | null> {
  const [place, wanted] = backup.split('/') as [string, string | undefined];
  if (place.split('-').length < 3) {
    const cluster = await engine.storedCluster(place);
    return cluster && { cluster };
  }
  const database = await engine.storedDatabase(place);
  const isGood = (proof: { failure: string | null } | null) => proof === null || proof.failure === null;
  const dump = wanted
    ? database?.dumps.find(({ name }) => name === wanted)
    : database?.dumps.findLast(({ proof }) => isGood(proof));
  return database && dump ? { database, dump: dump.name } : null;
}
