import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '@borealis/engine';
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
import { explained, refusal } from '../store/refusals.js';
import type { FillSource, OpenDump } from './fill-source.js';
import { secondsSince } from './make.js';
import { boundsOf, toolsFor } from './means.js';
import { withRoom } from './room.js';

const LOOK_MS = 250;
const APPLY_MS = 120_000;

/** Makes a database of a dump, all of it or nothing that is ever used. */
export async function fillDatabase(
  state: ClusterState,
  database: string,
  source: FillSource,
  ending: AbortSignal,
): Promise<void> {
  const dump = await source.open(ending);
  const { major } = state.journal.record.spec;
  if (Number(dump.major) > Number(major))
    throw refusal(`"${source.backup}" is of PostgreSQL ${dump.major}, which is newer than ${major}`);
  const started = Date.now();
  await withRoom(state.journal.paths.directory, dump.bytes, boundsOf(state), ending, async (signal) => {
    await begin(state, database, source);
    await explained(source.backup, () => fill(state, database, dump, signal));
  });
  await note(state, database, source, true);
  const { backup, dump: name } = source;
  const fields = { cluster: state.journal.record.id, database, backup, dump: name, seconds: secondsSince(started) };
  state.context.log.info(fields, 'a database was made of a backup');
}

/** The database is there and empty afterwards, whatever an earlier attempt has left. */
async function begin(state: ClusterState, database: string, source: FillSource): Promise<void> {
  const connectTo = connector(state);
  if (state.journal.record.filled[database]) {
    await emptyDatabase(connectTo, database, () => state.applied.delete(database));
    await untilApplied(state, database);
  } else if (!(await isEmptyDatabase(connectTo, database)))
    throw new EngineError('conflict', `The database "${database}" is not empty.`);
  await note(state, database, source, false);
}

async function fill(state: ClusterState, database: string, dump: OpenDump, signal: AbortSignal): Promise<void> {
  const { contents, prelude } = await readDumped(dump);
  const connectTo = connector(state);
  const spec = serverSpec(state);
  const wanted = state.journal.record.access!.databases.find((listed) => listed.name === database)!;
  await prepareFill(connectTo, wanted, prelude);
  // What is restored is full of what its tenant wrote: it runs as the owner, who is let in as the gateway lets him in.
  const server = { ...spec, os: state.users?.gateway ?? spec.os };
  const restorer = { name: wanted.owner, password: state.journal.record.backendPassword.reveal() };
  const request = { server, database, tools: await toolsFor(state), restorer, prelude, comments: true, signal };
  const complaints = await restoreDump(request, dump.read('dump'));
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

async function readDumped(dump: OpenDump): Promise<{ contents: Contents; prelude: Prelude }> {
  const parts: Buffer[] = [];
  for await (const part of dump.read('contents')) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString()) as { contents: Contents; prelude: Prelude };
}

function connector(state: ClusterState) {
  const { id } = state.journal.record;
  if (!state.server) throw new EngineError('not_ready', `The cluster "${id}" does not answer now: ${state.detail}`);
  const spec = serverSpec(state);
  return (database: string) => connect(spec, database);
}

async function note(state: ClusterState, database: string, { backup, dump }: FillSource, done: boolean): Promise<void> {
  await state.journal.update(({ filled }) => ({ filled: { ...filled, [database]: { backup, dump, done } } }));
}
