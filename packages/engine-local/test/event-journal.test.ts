import { appendFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineEvent } from '@borealis/engine';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventJournal } from '../src/events/event-journal.js';
import { temporaryDirectory } from './support/home.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(() => directory.remove());

function numbered(count: number, from = 0): EngineEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    clusterId: 'some1',
    type: 'cluster-recovered',
    seq: from + index,
    at: new Date(0).toISOString(),
    what: 'it',
  }));
}

/** Reads to the end; gives the numbers in the order they came. */
async function readAll(journal: EventJournal, cursor = 0): Promise<number[]> {
  const batch = await journal.read(cursor, 0);
  if (batch.events.length === 0) return [];
  return [...batch.events.map(({ seq }) => seq), ...(await readAll(journal, batch.cursor))];
}

test('events come in order over segments, batches and restarts, and cursors grow', async () => {
  const journal = await EventJournal.open(directory.path);
  for (let from = 0; from < 2500; from += 250) await journal.append(numbered(250, from));
  const reopened = await EventJournal.open(directory.path);
  await reopened.append(numbered(1, 2500));
  expect(await readAll(reopened)).toEqual(Array.from({ length: 2501 }, (_, index) => index));
  expect((await reopened.read(2500, 0)).cursor).toBe(2501);
});

test('what a reader has is forgotten by whole segments, and the order goes on after that', async () => {
  const journal = await EventJournal.open(directory.path);
  await journal.append(numbered(1000));
  await journal.append(numbered(1000, 1000));
  await journal.append(numbered(1, 2000));
  await journal.read(2001, 0);
  expect(await readdir(directory.path)).toEqual(['000000002001.jsonl']);
  const reopened = await EventJournal.open(directory.path);
  expect(await readAll(reopened, 1500)).toEqual([2000]);
  await reopened.append(numbered(1, 2001));
  expect(await readAll(reopened, 2001)).toEqual([2001]);
});

test('a line that a crash cut off is dropped and the next event is whole', async () => {
  await (await EventJournal.open(directory.path)).append(numbered(2));
  const [segment] = await readdir(directory.path);
  await appendFile(join(directory.path, segment!), '{"cursor":3,"event":{"clus');
  const journal = await EventJournal.open(directory.path);
  await journal.append(numbered(1, 2));
  expect(await readAll(journal)).toEqual([0, 1, 2]);
});

test('a reader that waits gets the event that comes, and is let go when the journal closes', async () => {
  const journal = await EventJournal.open(directory.path);
  const waiting = journal.read(0, 600);
  await journal.append(numbered(1));
  expect((await waiting).events).toHaveLength(1);
  const hopeless = journal.read(1, 600);
  journal.close();
  expect((await hopeless).events).toEqual([]);
});

test('a cursor of an earlier journal gets everything of this one', async () => {
  const journal = await EventJournal.open(directory.path);
  await journal.append(numbered(3));
  expect(await readAll(journal, 9999)).toEqual([0, 1, 2]);
});
