import { join } from 'node:path';
import {
  applyRoles,
  connect,
  copiedBytes,
  copySchema,
  copyServer,
  createDataDirectory,
  findNoSlots,
  findNotCarried,
  type ServerSpec,
  startServer,
  tryServer,
  writeConfiguration,
} from '@borealis/postgres';
import { boundsOf, toolsFor } from '../backups/means.js';
import { withRoom } from '../backups/room.js';
import { withScratch } from '../backups/scratch.js';
import { serverSpec, wantedAccess } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { clusterRelease } from '../releases/cluster-release.js';
import type { MajorMove } from './major-record.js';
import { tenantDatabases } from './sides.js';

/** Beside the copy's socket. */
const OTHER_PORT = 5433;

/**
 * Reads a copy of the cluster's data completely, and loads its schema into an empty server of the next major; both are thrown away. Returns what
 * stands against the upgrade, a sentence each. Throws when it could not be tried.
 */
export async function rehearse(state: ClusterState, move: MajorMove, ending: AbortSignal): Promise<string[]> {
  const { journal, jobs, context, major } = state;
  const obstacles = await findObstacles(state);
  if (obstacles.length > 0) return obstacles;
  major.sentence = 'Waiting to rehearse the upgrade on a copy of the data';
  return jobs.run('', `rehearsal of ${move.to}`, async (jobEnding) => {
    major.sentence = 'Copying the data for the rehearsal';
    const bytes = context.dataAtRest.copyOnWrite ? 0 : await copiedBytes(journal.paths.data);
    const signals = AbortSignal.any([ending, jobEnding]);
    return withRoom(journal.paths.directory, bytes, boundsOf(state), signals, (signal) =>
      withScratch(state, (scratch) => tryBoth(state, move, scratch, signal)),
    );
  });
}

/** What would not be in the next server, a sentence each. */
async function findObstacles(state: ClusterState): Promise<string[]> {
  const source = serverSpec(state);
  const listed = state.journal.record.access?.databases.map(({ name }) => name) ?? [];
  const databases = await tenantDatabases(source);
  const noSlots = await findNoSlots(source, databases.length);
  const findings = noSlots === null ? [] : [noSlots];
  for (const name of databases) {
    if (listed.includes(name)) findings.push(...(await findNotCarried(source, name)));
    else findings.push(`The database "${name}" is being removed; upgrade after that.`);
  }
  return findings;
}

async function tryBoth(
  state: ClusterState,
  move: MajorMove,
  scratch: ServerSpec,
  signal: AbortSignal,
): Promise<string[]> {
  const source = serverSpec(state);
  // The copy has the source's roles and passwords, and is nobody's but the keeper's.
  const copy = { ...scratch, superuser: source.superuser, access: { method: 'none' } as const };
  await copyServer(source, copy.dataDirectory, { to: copy.os, signal });
  await writeConfiguration(copy);
  await startServer(copy);
  // First, since what reads the data leaves something in the copy.
  state.major.sentence = `Loading the schema into PostgreSQL ${move.to}`;
  const findings = await loadSchemas(state, move, copy, signal);
  state.major.sentence = 'Reading a copy of the data';
  const wrong = await tryServer(copy, signal);
  return wrong === null ? findings : [...findings, `The data cannot be read completely: ${wrong}.`];
}

async function loadSchemas(
  state: ClusterState,
  move: MajorMove,
  copy: ServerSpec,
  signal: AbortSignal,
): Promise<string[]> {
  const release = await clusterRelease(state, move.to);
  const directory = join(copy.dataDirectory, '..');
  const next: ServerSpec = {
    ...copy,
    release,
    dataDirectory: join(directory, 'next'),
    logFile: join(directory, 'next.log'),
    port: OTHER_PORT,
    access: { method: 'scram' },
  };
  await createDataDirectory(next);
  await writeConfiguration(next);
  await startServer(next);
  await applyRoles((database) => connect(next, database), wantedAccess(state), new Map());
  const tools = await toolsFor(state, move.major);
  const findings: string[] = [];
  for (const database of await tenantDatabases(copy)) {
    signal.throwIfAborted();
    findings.push(...(await copySchema(copy, next, database, { tools, signal })));
  }
  return findings;
}
