import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { ClusterJournal, type ClusterRecord } from '../src/cluster/record.js';
import type { ClusterState } from '../src/cluster/state.js';
import { eraAt, erasOf, removeFormerEras } from '../src/copies/eras.js';
import { homePaths, ofEra } from '../src/home/paths.js';
import { temporaryDirectory } from './support/home.js';

const FIRST = '2026-01-10T00:00:00.000000Z';
const SECOND = '2026-02-10T00:00:00.000001Z';
const ENDED = [
  { era: 1, major: '14', until: FIRST },
  { era: 2, major: '15', until: SECOND },
] as const;

let directory: Awaited<ReturnType<typeof temporaryDirectory>> | undefined;
afterEach(() => directory?.remove());

/** A cluster that was upgraded twice, as its record has it. */
async function upgraded(): Promise<ClusterState> {
  directory = await temporaryDirectory();
  const paths = homePaths(directory.path).cluster('c');
  await mkdir(`${directory.path}/clusters`, { recursive: true });
  const record = { id: 'c', spec: { major: '16' }, era: 3, primary: 1, formerEras: [...ENDED], storedIn: null };
  const journal = await ClusterJournal.create(paths, record as unknown as ClusterRecord);
  return { journal } as ClusterState;
}

test('a moment belongs to the major that the cluster had then', async () => {
  const state = await upgraded();
  expect(erasOf(state).map(({ major }) => major)).toEqual(['14', '15', '16']);
  const majorAt = (moment: string) => eraAt(state, moment).major;
  expect(majorAt('2026-01-09T23:59:59.999999Z')).toBe('14');
  expect(majorAt(FIRST)).toBe('15');
  expect(majorAt('2026-02-10T01:00:00+01:00')).toBe('15');
  expect(majorAt(SECOND)).toBe('16');
  expect(eraAt(state, SECOND).paths.archive).toBe(state.journal.paths.archive);
});

test('a former major goes with all that it wrote once nothing of it may be wanted any more, and no other', async () => {
  const state = await upgraded();
  const archives = [1, 2, 3].map((era) => ofEra(state.journal.paths, era).archive);
  for (const archive of archives) await mkdir(archive, { recursive: true });
  await removeFormerEras(state, Date.parse('2026-01-10T00:00:00Z'));
  expect(state.journal.record.formerEras).toHaveLength(2);
  await removeFormerEras(state, Date.parse('2026-02-10T00:00:00Z'));
  expect(state.journal.record.formerEras).toEqual([ENDED[1]]);
  expect(archives.map((archive) => existsSync(archive))).toEqual([false, true, true]);
});

test('what an upgrade that was taken back has led to again is kept, however old its beginning is', async () => {
  const state = await upgraded();
  await state.journal.update(() => ({ era: 1 }));
  const { archive } = ofEra(state.journal.paths, 1);
  await mkdir(archive, { recursive: true });
  expect(erasOf(state).map(({ paths }) => paths.era)).toEqual([1, 2, 1]);
  await removeFormerEras(state, Date.parse('2026-03-10T00:00:00Z'));
  expect(state.journal.record.formerEras).toEqual([]);
  expect(existsSync(archive)).toBe(true);
});
