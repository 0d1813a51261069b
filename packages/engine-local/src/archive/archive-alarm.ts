import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterState } from '../cluster/state.js';
import { isSystemError } from '../system/files.js';

/** A finished file that waits longer than this is no matter of load any more: meanwhile the disk fills. */
export const LATE_MS = 60_000;

/** Tells when an archive begins to fail and when it is well again, each once, also over lives of the keeper. */
export class ArchiveAlarm {
  #failing: boolean;

  constructor(private readonly state: ClusterState) {
    this.#failing = state.journal.record.archiveFailing;
  }

  /** `failure` is the sentence that says why; null when nothing is held up. */
  async tell(failure: string | null): Promise<void> {
    const { journal, context } = this.state;
    const clusterId = journal.record.id;
    const failing = failure !== null;
    if (failing !== this.#failing) {
      const type = failing ? ('archive-failing' as const) : ('archive-recovered' as const);
      const what = failure ?? 'All finished WAL is in the archive again.';
      context.log[failing ? 'error' : 'warn']({ cluster: clusterId, what }, type);
      await context.events.append([{ clusterId, type, seq: 0, at: new Date().toISOString(), what }]);
      this.#failing = failing;
    }
    if (journal.record.archiveFailing !== failing) await journal.update(() => ({ archiveFailing: failing }));
  }
}

/** What PostgreSQL itself holds back, as a sentence, when the oldest of it is late; null when nothing is. */
export async function heldBack(dataDirectory: string): Promise<string | null> {
  const directory = join(dataDirectory, 'pg_wal', 'archive_status');
  const waiting = (await list(directory)).filter((name) => name.endsWith('.ready')).sort();
  if (waiting[0] === undefined) return null;
  const found = await stat(join(directory, waiting[0])).catch(() => null);
  if (!found || Date.now() - found.mtimeMs < LATE_MS) return null;
  const files = waiting.length === 1 ? '1 finished WAL file' : `${waiting.length} finished WAL files`;
  return `PostgreSQL could not copy ${files} into the spool for more than a minute.`;
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
