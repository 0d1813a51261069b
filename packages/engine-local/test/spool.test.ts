import { appendFile, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventJournal } from '../src/events/event-journal.js';
import { SpoolReader } from '../src/events/spool-reader.js';
import { type ClusterPaths, homePaths } from '../src/home/paths.js';
import { temporaryDirectory } from './support/home.js';

const log = pino({ level: 'silent' });
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let paths: ClusterPaths;
let spool: string;
let journal: EventJournal;

beforeEach(async () => {
  directory = await temporaryDirectory();
  paths = homePaths(directory.path).cluster('some1');
  spool = join(paths.gateway, 'events');
  await mkdir(spool, { recursive: true });
  const events = join(directory.path, 'journal');
  await mkdir(events);
  journal = await EventJournal.open(events);
});

afterEach(() => directory.remove());

const reader = () => SpoolReader.open('some1', paths, journal, log);

function line(type: 'tunnel-created' | 'tunnel-destroyed', tunnelId: string): string {
  const at = new Date(0).toISOString();
  const event = { type, seq: 1, at, tunnelId, username: 'someone', kind: 'app', label: 'x', address: '127.0.0.1' };
  return `${JSON.stringify(event)}\n`;
}

async function told(): Promise<string[]> {
  const { events } = await journal.read(0, 0);
  return events.map((event) => ('tunnelId' in event ? `${event.type} ${event.tunnelId}` : event.type));
}

test('events are read in the order of the segments, each once, also by a new reader', async () => {
  await writeFile(join(spool, '1000-7-1.jsonl'), line('tunnel-created', 'a'));
  await writeFile(join(spool, '1000-7-2.jsonl'), line('tunnel-created', 'b'));
  await writeFile(join(spool, '999-9-10.jsonl'), line('tunnel-created', 'z'));
  await (await reader()).drain();
  await appendFile(join(spool, '1000-7-2.jsonl'), line('tunnel-destroyed', 'a'));
  await (await reader()).drain();
  expect(await told()).toEqual(['tunnel-created z', 'tunnel-created a', 'tunnel-created b', 'tunnel-destroyed a']);
});

test('segments that are done are deleted, the newest stays', async () => {
  await writeFile(join(spool, '1-1-1.jsonl'), line('tunnel-created', 'a'));
  await writeFile(join(spool, '1-1-2.jsonl'), line('tunnel-created', 'b'));
  await (await reader()).drain();
  expect(await readdir(spool)).toEqual(['1-1-2.jsonl']);
});

test('half a line waits for its other half', async () => {
  const text = line('tunnel-created', 'a');
  const path = join(spool, '1-1-1.jsonl');
  const subject = await reader();
  await writeFile(path, text.slice(0, 20));
  await subject.drain();
  expect(await told()).toEqual([]);
  await appendFile(path, text.slice(20));
  await subject.drain();
  expect(await told()).toEqual(['tunnel-created a']);
});

test('what is no event is passed over: nonsense, links, an endless line', async () => {
  await writeFile(join(spool, '1-1-1.jsonl'), `nonsense\n{"type":"other"}\n${line('tunnel-created', 'a')}`);
  await symlink('/etc/passwd', join(spool, '1-1-2.jsonl'));
  await writeFile(join(spool, '1-1-3.jsonl'), 'x'.repeat(3 * 1024 * 1024));
  await writeFile(join(spool, '1-1-4.jsonl'), line('tunnel-created', 'b'));
  await (await reader()).drain();
  expect(await told()).toEqual(['tunnel-created a', 'tunnel-created b']);
});

test('the end of every open tunnel is told when its gateway is gone, and only once', async () => {
  const events = line('tunnel-created', 'a') + line('tunnel-created', 'b') + line('tunnel-destroyed', 'a');
  await writeFile(join(spool, '1-1-1.jsonl'), events);
  await (await reader()).drain();
  await (await reader()).closeOpenTunnels('gateway restarted', []);
  await (await reader()).closeOpenTunnels('gateway restarted', []);
  expect((await told()).slice(3)).toEqual(['tunnel-destroyed b']);
});

test('two gateways are read side by side, and the end of one says nothing about the tunnels of the other', async () => {
  const [old, fresh] = [join(spool, '1000-7-0.jsonl'), join(spool, '2000-8-0.jsonl')];
  await writeFile(old, line('tunnel-created', 'a'));
  await (await reader()).drain();
  await writeFile(fresh, line('tunnel-created', 'b') + line('tunnel-created', 'c'));
  await (await reader()).drain();
  await appendFile(old, line('tunnel-created', 'd'));
  await writeFile(join(spool, '1000-7-1.jsonl'), line('tunnel-destroyed', 'a'));
  await appendFile(fresh, line('tunnel-destroyed', 'b'));
  await (await reader()).closeOpenTunnels('gateway ended', [8]);
  expect((await told()).slice(3)).toEqual([
    'tunnel-created d',
    'tunnel-destroyed a',
    'tunnel-destroyed b',
    'tunnel-destroyed d',
  ]);
  expect(await readdir(spool)).toEqual(['2000-8-0.jsonl']);
  await (await reader()).closeOpenTunnels('gateway ended', []);
  expect((await told()).slice(7)).toEqual(['tunnel-destroyed c']);
});

test('what an earlier version has noted is gone on with', async () => {
  const first = line('tunnel-created', 'a');
  await writeFile(join(spool, '1000-7-1.jsonl'), first + line('tunnel-created', 'b'));
  const open = { a: JSON.parse(first) };
  await writeFile(paths.spool, JSON.stringify({ segment: '1000-7-1.jsonl', offset: first.length, open }));
  await (await reader()).closeOpenTunnels('gateway restarted', []);
  expect(await told()).toEqual(['tunnel-created b', 'tunnel-destroyed a', 'tunnel-destroyed b']);
});

test('a gateway that never wrote has no events', async () => {
  await rm(spool, { recursive: true });
  await (await reader()).drain();
  expect(await told()).toEqual([]);
});
