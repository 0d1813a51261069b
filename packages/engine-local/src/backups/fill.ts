import { setTimeout as sleep } from 'node:timers/promises';
import { type DumpName, EngineError } from '@borealis/engine';
import {
  adoptPolicies,
  type Contents,
  connect,
  differences,
  emptyDatabase,
  isEmptyDatabase,
  type Prelude,
  prepareFill,
  restoreDump,
  restoredContents,
} from '@borealis/postgres';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { findDump } from '../store/dump-origin.js';
import type { DumpPlace } from '../store/dump-place.js';
import { explained, refusal } from '../store/refusals.js';
import { secondsSince } from './make.js';
import { boundsOf, toolsFor } from './means.js';
import { withRoom } from './room.js';

/** Indexes take room that a dump does not show. */
const GROWTH = 4;
const LOOK_MS = 250;
const APPLY_MS = 120_000;

/** Makes a database of a dump in the store, all of it or nothing that is ever used. */
export async function fillDatabase(
  state: ClusterState,
  database: string,
  name: DumpName,
  ending: AbortSignal,
): Promise<void> {
  const { place, found, about } = await findDump(state.context, name, ending);
  const { major } = state.journal.record.spec;
  if (Number(about.major) > Number(major))
    throw refusal(`"${name.backup}" is of PostgreSQL ${about.major}, which is newer than ${major}`);
  const started = Date.now();
  const needed = found.databaseBytes ?? GROWTH * found.bytes;
  await withRoom(state.journal.paths.directory, needed, boundsOf(state), ending, async (signal) => {
    await begin(state, database, name);
    await explained(name.backup, () => fill(state, database, { place, dump: name.dump, signal }));
  });
  await update(state, database, { ...name, done: true });
  const fields = { cluster: state.journal.record.id, database, backup: name, seconds: secondsSince(started) };
  state.context.log.info(fields, 'a database was made of a backup');
}

/** The database is there and empty afterwards, whatever an earlier attempt has left. */
async function begin(state: ClusterState, database: string, name: DumpName): Promise<void> {
  const connectTo = connector(state);
  if (state.journal.record.filled[database]) {
    await emptyDatabase(connectTo, database, () => state.applied.delete(database));
    await untilApplied(state, database);
  } else if (!(await isEmptyDatabase(connectTo, database)))
    throw new EngineError('conflict', `The database "${database}" is not empty.`);
  await update(state, database, { ...name, done: false });
}

interface Source {
  place: DumpPlace;
  dump: string;
  signal: AbortSignal;
}

async function fill(state: ClusterState, database: string, { place, dump, signal }: Source): Promise<void> {
  const { contents, prelude } = await readDumped(place, dump);
  const connectTo = connector(state);
  const spec = serverSpec(state);
  const wanted = state.journal.record.access!.databases.find((listed) => listed.name === database)!;
  await prepareFill(connectTo, wanted, prelude);
  // What is restored is full of what its tenant wrote: it runs as the owner, who is let in as the gateway lets him in.
  const server = { ...spec, os: state.users?.gateway ?? spec.os };
  const restorer = { name: wanted.owner, password: state.journal.record.backendPassword.reveal() };
  const request = { server, database, tools: await toolsFor(state), restorer, prelude, comments: true, signal };
  const complaints = await restoreDump(request, place.readDump(dump, 'dump'));
  if (complaints.length > 0) throw refusal(`it cannot be restored as a whole: ${complaints.slice(0, 3).join('; ')}`);
  const reader = state.journal.record.access!.roles.find(
    (role) => role.database === database && role.name.startsWith('app_ro_'),
  );
  await adoptPolicies(connectTo, database, prelude.roles, { owner: wanted.owner, reader: reader?.name });
  const different = differences(contents, await restoredContents(spec, database, signal));
  if (different.length > 0) throw refusal(`what it restores is not what was dumped: ${different[0]}`);
  // Readers get their rights in what has come.
  state.applied.delete(database);
  await untilApplied(state, database);
}

/** Waits until the reconciler has made database and rights what they should be. */
async function untilApplied(state: ClusterState, database: string): Promise<void> {
  for (const end = Date.now() + APPLY_MS; !state.applied.has(database); ) {
    if (Date.now() > end) throw new EngineError('not_ready', `The rights in "${database}" could not be set now.`);
    // A look that began before may have put the next one off.
    state.rolesDueAt = 0;
    state.wake();
    await sleep(LOOK_MS, undefined, { signal: state.ending });
  }
}

async function readDumped(place: DumpPlace, dump: string): Promise<{ contents: Contents; prelude: Prelude }> {
  const parts: Buffer[] = [];
  for await (const part of place.readDump(dump, 'contents')) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString()) as { contents: Contents; prelude: Prelude };
}

function connector(state: ClusterState) {
  const { id } = state.journal.record;
  if (!state.server) throw new EngineError('not_ready', `The cluster "${id}" does not answer now: ${state.detail}`);
  const spec = serverSpec(state);
  return (database: string) => connect(spec, database);
}

async function update(state: ClusterState, database: string, noted: DumpName & { done: boolean }): Promise<void> {
  await state.journal.update(({ filled }) => ({ filled: { ...filled, [database]: noted } }));
}
