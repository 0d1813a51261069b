import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** One record put (or, with null, deleted). */
export interface Change {
  table: string;
  id: string;
  record: unknown;
}

const COMPACT_AT_BYTES = 4 * 1024 * 1024;

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/**
 * An append-only file of whole-record changes, one transaction a line, beside a snapshot of what came before.
 * `append` returns only when the transaction is on disk. Replaying all of the journal over a snapshot that
 * already holds it gives the snapshot again, so a crash between writing the one and emptying the other is harmless.
 */
export class Journal {
  readonly #directory: string;
  readonly #fd: number;
  #size: number;
  #broken = false;

  private constructor(directory: string, fd: number, size: number) {
    this.#directory = directory;
    this.#fd = fd;
    this.#size = size;
  }

  /** Opens the journal of a directory and hands every change of the snapshot and the journal to `apply`, in order. */
  static open(directory: string, apply: (change: Change) => void): Journal {
    rmSync(join(directory, 'snapshot.tmp'), { force: true });
    const snapshot = join(directory, 'snapshot.jsonl');
    if (existsSync(snapshot)) replay(snapshot, readFileSync(snapshot), apply);
    const path = join(directory, 'journal.jsonl');
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    // A line without its end was being written when the process died: its transaction never happened.
    const size = bytes.lastIndexOf(0x0a) + 1;
    replay(path, bytes.subarray(0, size), apply);
    const fd = openSync(path, existsSync(path) ? 'r+' : 'wx+', 0o600);
    ftruncateSync(fd, size);
    fsyncSync(fd);
    syncDirectory(directory);
    return new Journal(directory, fd, size);
  }

  append(changes: readonly Change[]): void {
    if (this.#broken) throw new Error('the store failed to write to its disk and takes no more changes');
    const line = Buffer.from(`${JSON.stringify(changes)}\n`);
    try {
      for (let done = 0; done < line.length; )
        done += writeSync(this.#fd, line, done, line.length - done, this.#size + done);
      fsyncSync(this.#fd);
      this.#size += line.length;
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  get wantsCompaction(): boolean {
    return this.#size > COMPACT_AT_BYTES;
  }

  /** Replaces snapshot and journal by a snapshot of `changes`, which must be the whole state. */
  compact(changes: Iterable<Change>): void {
    const temporary = join(this.#directory, 'snapshot.tmp');
    const fd = openSync(temporary, 'w', 0o600);
    for (const change of changes) writeAll(fd, Buffer.from(`${JSON.stringify([change])}\n`));
    fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, join(this.#directory, 'snapshot.jsonl'));
    syncDirectory(this.#directory);
    ftruncateSync(this.#fd, 0);
    fsyncSync(this.#fd);
    this.#size = 0;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Takes a half-written line away again; when even that fails nothing more may be written after it. */
  #undo(): void {
    try {
      ftruncateSync(this.#fd, this.#size);
      fsyncSync(this.#fd);
    } catch {
      this.#broken = true;
    }
  }
}

function replay(path: string, bytes: Buffer, apply: (change: Change) => void): void {
  const lines = bytes.toString('utf8').split('\n');
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    try {
      for (const change of JSON.parse(line) as Change[]) apply(change);
    } catch {
      throw new Error(`the store's file ${path} is damaged at line ${index + 1}`);
    }
  }
}
