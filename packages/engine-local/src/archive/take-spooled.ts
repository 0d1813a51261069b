import { isSystemError } from '../system/files.js';
import { ArchiveConflict, type WalArchive } from './wal-archive.js';

/** Takes all that is in the spool now, so that nothing which is on its way into the archive looks as if it were not there. */
export async function takeSpooled(archive: WalArchive): Promise<void> {
  for (const name of await archive.spooled())
    await archive.take(name).catch((error: unknown) => {
      // Another has taken it, or a person has to look.
      if (!isSystemError(error, 'ENOENT') && !(error instanceof ArchiveConflict)) throw error;
    });
}
