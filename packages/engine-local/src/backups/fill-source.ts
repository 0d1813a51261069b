import { type DatabaseCopySource, type DumpName, EngineError } from '@borealis/engine';
import type { HomeContext } from '../cluster/context.js';
import type { ClusterState } from '../cluster/state.js';
import { findDump } from '../store/dump-origin.js';
import type { Part } from './backup-note.js';
import { BackupStore } from './backup-store.js';

/** Indexes take room that a dump does not show. */
const GROWTH = 4;

/** A dump that a database is made of; the two names together mean one content for good. */
export interface FillSource extends DumpName {
  open(signal: AbortSignal): Promise<OpenDump>;
}

export interface OpenDump {
  major: string;
  /** What its database takes on the disk, or about that. */
  bytes: number;
  /** Fails unless every byte is what was dumped. */
  read(part: Part): AsyncIterable<Buffer>;
}

/** A dump in the object store. */
export function storedDump(context: HomeContext, name: DumpName): FillSource {
  return {
    ...name,
    async open(signal) {
      const { place, found, about } = await findDump(context, name, signal);
      const bytes = found.databaseBytes ?? GROWTH * found.bytes;
      return { major: about.major, bytes, read: (part) => place.readDump(name.dump, part) };
    },
  };
}

/** A backup of the database of that name in another cluster of the home; `find` gives that cluster. */
export function backupElsewhere(
  find: (clusterId: string) => ClusterState | undefined,
  database: string,
  { clusterId, backup }: DatabaseCopySource,
): FillSource {
  return {
    ...{ backup: clusterId, dump: backup },
    async open() {
      const state = find(clusterId);
      const store = state && new BackupStore(state, database);
      const found = await store?.find(backup);
      if (!state || !store || !found)
        throw new EngineError('not_found', `The cluster "${clusterId}" has no backup "${backup}" of "${database}".`);
      const bytes = found.databaseBytes ?? GROWTH * found.bytes;
      return { major: state.journal.record.spec.major, bytes, read: (part) => store.read(backup, part) };
    },
  };
}
