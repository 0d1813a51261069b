import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@borealis/postgres';
import { archiveOf } from '../archive/archive-of.js';
import { takeSpooled } from '../archive/take-spooled.js';
import { historyName, isSegment, parseHistory, parseSegment, segmentName } from '../archive/wal-names.js';
import { firstOf, LeftWal } from '../archive/wal-source.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { pathsOf } from './node-spec.js';

/**
 * Archives what the server before this one had finished of its log and not handed over: a standby takes what it was fed for archived. It is in
 * the data of the replaced nodes, and in that of the new primary. Nothing is done where no log is archived.
 */
export async function completeArchive(state: ClusterState, replaced: readonly number[]): Promise<void> {
  if (!state.journal.record.archiveKey) return;
  const archive = archiveOf(state);
  await takeSpooled(archive);
  const there = new Set(await archive.names());
  const [oldest] = [...there].filter(isSegment).sort((a, b) => numberOf(a) - numberOf(b));
  const ancestors = await ancestorsOfPrimary(state);
  const last = ancestors.at(-1);
  if (!oldest || !last) return;
  const uid = state.users?.postgres.uid ?? process.getuid!();
  const nodes = [...replaced, state.journal.record.primary];
  const left = firstOf(...nodes.map((node) => new LeftWal(join(pathsOf(state, node).data, 'pg_wal'), uid)));
  for (let number = numberOf(oldest); number < last.left; number++) {
    const { timeline } = ancestors.find((ancestor) => number < ancestor.left)!;
    const name = segmentName({ timeline, number });
    if (!there.has(name) && (await left.has(name))) await archive.add(name, left.read(name));
  }
}

const numberOf = (name: string) => parseSegment(name).number;

async function ancestorsOfPrimary(state: ClusterState): Promise<ReturnType<typeof parseHistory>> {
  const client = await connect(serverSpec(state));
  const { rows } = await client
    .query<{ segment: string }>('select pg_walfile_name(pg_current_wal_insert_lsn()) as segment')
    .finally(() => client.end());
  const { timeline } = parseSegment(rows[0]!.segment);
  if (timeline === 1) return [];
  return parseHistory(await readFile(join(state.journal.paths.data, 'pg_wal', historyName(timeline)), 'utf8'));
}
