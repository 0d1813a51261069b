import { type BackupProof, type DatabaseBackup, EngineError } from '@borealis/engine';
import {
  type ClientTools,
  type Contents,
  checkIndexes,
  differences,
  ownedByOthers,
  type Prelude,
  restoreDump,
  restoredContents,
  type ServerSpec,
  startScratchServer,
  troublesInLog,
} from '@borealis/postgres';
import { SealedFileError } from '../archive/sealed-file-error.js';
import type { ClusterState } from '../cluster/state.js';
import { isSystemError } from '../system/files.js';
import { BackupStore } from './backup-store.js';
import { countsOf, secondsSince, sizeOf } from './make.js';
import { boundsOf, toolsFor } from './means.js';
import { withRoom } from './room.js';
import { withScratch } from './scratch.js';

/** Restores a backup into a server of its own, compares it with what was dumped, and keeps what came of it beside the backup. */
export async function proveBackup(
  state: ClusterState,
  database: string,
  name: string,
  ending: AbortSignal,
): Promise<DatabaseBackup> {
  const store = new BackupStore(state, database);
  const backup = await store.find(name);
  if (!backup) throw new EngineError('not_found', `There is no backup "${name}".`);
  const tools = await toolsFor(state);
  const started = Date.now();
  const needed = 1.5 * (await sizeOf(state, database));
  const outcome = await withRoom(store.directory, needed, boundsOf(state), ending, (signal) =>
    tried(() => withScratch(state, (spec) => compare(spec, { store, database, name, tools, signal }))),
  );
  const at = new Date().toISOString();
  const proven = { ...backup, proof: { at, seconds: secondsSince(started), ...outcome } };
  await store.keep(proven);
  const level = outcome.failure === null ? 'info' : 'error';
  const fields = { cluster: state.journal.record.id, database, backup: name, proof: proven.proof };
  state.context.log[level](fields, outcome.failure === null ? 'a backup was proven' : 'a backup is not good');
  return proven;
}

type Outcome = Pick<BackupProof, 'failure' | 'checked'>;

const NOTHING = { tables: 0, rows: 0, objects: 0, indexes: 0 };
const failed = (failure: string): Outcome => ({ failure, checked: NOTHING });

/** What the files themselves are guilty of is an outcome; what else goes wrong says nothing about the backup. */
async function tried(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SealedFileError) return failed(`Its file is not what was sealed (${error.fault}).`);
    if (isSystemError(error, 'ENOENT') && /\.sealed'/.test((error as Error).message))
      return failed('Its file is gone.');
    throw error;
  }
}

interface Trial {
  store: BackupStore;
  database: string;
  name: string;
  tools: ClientTools;
  signal: AbortSignal;
}

async function compare(spec: ServerSpec, { store, database, name, tools, signal }: Trial): Promise<Outcome> {
  const { contents, prelude } = await readDumped(store, name);
  const restorer = await startScratchServer(spec, database, prelude);
  signal.throwIfAborted();
  const request = { server: spec, database, tools, restorer, prelude, signal };
  const complaints = await restoreDump(request, store.read(name, 'dump'));
  if (complaints.length > 0) return failed(`It cannot be restored as a whole: ${listed(complaints)}.`);
  const different = differences(contents, await restoredContents(spec, database, signal));
  if (different.length > 0) return failed(`What it restores is not what was dumped. ${listed(different)}`);
  const apart = prelude.extensions.map(({ schema }) => schema);
  const others = await ownedByOthers(spec, database, { owner: restorer.name, apart }, signal);
  if (others.length > 0) return failed(`What it restores is not its owner's alone: ${listed(others)}.`);
  const indexes = await checkedIndexes(spec, database, signal);
  if (typeof indexes === 'string') return failed(indexes);
  const troubles = await troublesInLog(spec.logFile);
  if (troubles.length > 0) return failed(`The server that it was restored into had errors: ${listed(troubles)}.`);
  const objects = Object.values(contents.objects).reduce((sum, count) => sum + count, 0) + contents.largeObjects.rows;
  const sequences = Object.keys(contents.sequences ?? {}).length;
  return { failure: null, checked: { ...countsOf(contents), objects, indexes, sequences } };
}

async function readDumped(store: BackupStore, name: string): Promise<{ contents: Contents; prelude: Prelude }> {
  const parts: Buffer[] = [];
  for await (const part of store.read(name, 'contents')) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString()) as { contents: Contents; prelude: Prelude };
}

/** How many were checked, or what is wrong with one. */
async function checkedIndexes(spec: ServerSpec, database: string, signal: AbortSignal): Promise<number | string> {
  try {
    return await checkIndexes(spec, database, signal);
  } catch (error) {
    // XX001 and XX002: data or an index is corrupted.
    if (!/^XX00[12]$/.test((error as { code?: string }).code ?? '')) throw error;
    return 'An index of the restored database does not fit its table.';
  }
}

function listed([first, ...more]: readonly string[]): string {
  return more.length === 0 ? first! : `${first} (and ${more.length} more)`;
}
