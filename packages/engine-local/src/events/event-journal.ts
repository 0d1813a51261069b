import { open, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineEvent } from '@borealis/engine';
import { syncDirectory } from '../system/files.js';
import { Mutex } from '../system/mutex.js';

const SEGMENT_EVENTS = 1000;
const BATCH = 500;

interface Entry {
  cursor: number;
  event: EngineEvent;
}

/**
 * Events of all clusters in one growing order, kept until a reader has said that it has them. Segments are files
 * `<first cursor>.jsonl`; the newest stays for good, so that cursors never start again.
 */
export class EventJournal {
  readonly #writes = new Mutex();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  private constructor(
    private readonly directory: string,
    /** First cursor of each segment, ascending. */
    private segments: number[],
    private last: number,
  ) {}

  /** Opens the journal of that directory; a line that a crash cut off is removed. */
  static async open(directory: string): Promise<EventJournal> {
    const names = (await readdir(directory)).filter((name) => /^\d+\.jsonl$/.test(name));
    const segments = names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
    const newest = segments.at(-1);
    if (newest === undefined) return new EventJournal(directory, [], 0);
    const path = segmentPath(directory, newest);
    const content = await readFile(path);
    await truncate(path, content.lastIndexOf('\n') + 1);
    const last = parse(content.toString()).at(-1)?.cursor ?? newest - 1;
    return new EventJournal(directory, segments, last);
  }

  /** Keeps the events; they are safe on disk when this resolves. */
  async append(events: readonly EngineEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.#writes.run(() => this.write(events));
    for (const wake of [...this.#waiting]) wake();
  }

  /** Up to 500 events after the cursor; waits up to `seconds` for the first. Whole segments before the cursor are deleted. */
  async read(after: number, seconds: number): Promise<{ events: EngineEvent[]; cursor: number }> {
    // A cursor from the future belongs to an earlier journal: then all of this one is new to the reader.
    const cursor = after > this.last ? 0 : after;
    if (this.last <= cursor && seconds > 0 && !this.#closed) await this.wait(seconds * 1000);
    return this.#writes.run(async () => {
      await this.forget(cursor);
      const found: Entry[] = [];
      for (const [index, first] of this.segments.entries()) {
        if ((this.segments[index + 1] ?? Number.POSITIVE_INFINITY) <= cursor + 1 || found.length >= BATCH) continue;
        const entries = parse(await readFile(segmentPath(this.directory, first), 'utf8'));
        found.push(...entries.filter((entry) => entry.cursor > cursor));
      }
      const batch = found.slice(0, BATCH);
      return { events: batch.map(({ event }) => event), cursor: batch.at(-1)?.cursor ?? cursor };
    });
  }

  /** Lets every waiting reader go. */
  close(): void {
    this.#closed = true;
    for (const wake of [...this.#waiting]) wake();
  }

  private async write(events: readonly EngineEvent[]): Promise<void> {
    const current = this.segments.at(-1);
    const isNew = current === undefined || this.last - current + 1 >= SEGMENT_EVENTS;
    const segment = isNew ? this.last + 1 : current;
    const lines = events.map((event, index) => `${JSON.stringify({ cursor: this.last + 1 + index, event })}\n`);
    await appendDurably(segmentPath(this.directory, segment), lines.join(''));
    if (isNew) {
      await syncDirectory(this.directory);
      this.segments = [...this.segments, segment];
    }
    this.last += events.length;
  }

  private async forget(cursor: number): Promise<void> {
    while (this.segments.length > 1 && this.segments[1]! <= cursor + 1) {
      await rm(segmentPath(this.directory, this.segments[0]!), { force: true });
      this.segments = this.segments.slice(1);
    }
  }

  private wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      this.#waiting.add(wake);
    });
  }
}

function segmentPath(directory: string, first: number): string {
  return join(directory, `${String(first).padStart(12, '0')}.jsonl`);
}

function parse(text: string): Entry[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Entry);
}

/** Appends all or nothing: what a full disk cut off is taken back, so that the next line does not continue it. */
async function appendDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    const { size } = await file.stat();
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await file.truncate(size);
      throw error;
    }
  } finally {
    await file.close();
  }
}
