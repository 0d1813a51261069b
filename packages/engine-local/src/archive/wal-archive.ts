import { createHash } from 'node:crypto';
import { access, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Secret } from '@borealis/contract';
import { isSystemError, readPieces, syncDirectory } from '../system/files.js';
import { isHalfSealed, openSealed, seal } from './sealed-file.js';
import { readSpooled } from './spooled-file.js';
import { missingFiles, neededFiles } from './wal-gaps.js';
import { isHistory, isSegment, isWalFile, parseSegment } from './wal-names.js';

export interface ArchivedSegment {
  /** PostgreSQL's: `000000010000000000000002`. */
  name: string;
  timeline: number;
  /** When it was sealed, which is a moment after the server finished it. */
  archivedAt: Date;
}

export interface ArchivePlace {
  /** Closed to all but this process's user. */
  directory: string;
  /** Where PostgreSQL leaves what is to be archived. */
  spool: string;
  /** Whose the files in the spool are. */
  uid: number;
  key: Secret<Buffer>;
}

const SUFFIX = '.sealed';
/** As the command that PostgreSQL archives with names what it has not finished: with the number of its shell. */
const HALF_SPOOLED = /^\.(.+)\.\d+$/;

/** A file that was archived already came again with another content: neither is touched. */
export class ArchiveConflict extends Error {
  constructor(readonly file: string) {
    super(`The WAL file ${file} was archived before with another content; both are kept, and a person has to look.`);
    this.name = 'ArchiveConflict';
  }
}

/** The sealed WAL of one cluster. It keeps nothing in memory: what lies in its directory is the archive. */
export class WalArchive {
  constructor(private readonly place: ArchivePlace) {}

  /** All whole segments, in the order of timelines and of time. */
  async segments(): Promise<ArchivedSegment[]> {
    const names = (await this.names()).filter(isSegment);
    const found = await Promise.all(names.map((name) => stat(this.path(name))));
    return names.map((name, at) => ({
      name,
      timeline: parseSegment(name).timeline,
      archivedAt: found[at]!.mtime,
    }));
  }

  /** The names of all files, sorted. */
  async names(): Promise<string[]> {
    const files = await readdir(this.place.directory);
    return files
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => file.slice(0, -SUFFIX.length))
      .filter(isWalFile)
      .sort();
  }

  async has(name: string): Promise<boolean> {
    return access(this.path(name)).then(
      () => true,
      (error: unknown) => {
        if (isSystemError(error, 'ENOENT')) return false;
        throw error;
      },
    );
  }

  /** The content of a file; throws a `SealedFileError` unless every byte is what was sealed. */
  read(name: string): AsyncGenerator<Buffer> {
    return openSealed(this.path(name), { key: this.place.key, name });
  }

  /** A file as it lies in the archive, sealed under its own name. */
  sealed(name: string): AsyncGenerator<Buffer> {
    return readPieces(this.path(name));
  }

  /** What a recovery from this segment to the newest one would look for in vain; empty when the archive is whole. */
  async gaps(from: string): Promise<string[]> {
    return missingFiles(await this.names(), from, (name) => this.readHistory(name));
  }

  /** The segments from this one to the newest of the newest timeline, in the order in which a recovery reads them. */
  async line(from: string): Promise<string[]> {
    return neededFiles(await this.names(), from, (name) => this.readHistory(name));
  }

  /** What PostgreSQL has left in the spool, oldest first. */
  async spooled(): Promise<string[]> {
    return (await readdir(this.place.spool)).filter(isWalFile).sort(byAge);
  }

  /**
   * Takes one file out of the spool: it is removed there when it is safe here. Killed in between, it is taken again and found to be here
   * already. Throws an `ArchiveConflict` when what is here is something else.
   */
  async take(name: string): Promise<void> {
    const spooled = join(this.place.spool, name);
    const content = () => readSpooled(spooled, name, this.place.uid);
    if (!(await this.has(name))) await seal(content(), this.path(name), { key: this.place.key, name });
    else if (!(await isEqual(content(), this.read(name)))) throw new ArchiveConflict(name);
    await rm(spooled);
  }

  /**
   * Removes copies that an archiver of PostgreSQL, killed or without room, left in the spool in part, of files that are here by now. One that
   * is just being made anew fails and is repeated.
   */
  async removeHalfSpooled(): Promise<void> {
    for (const entry of await readdir(this.place.spool, { withFileTypes: true })) {
      const name = HALF_SPOOLED.exec(entry.name)?.[1];
      if (name === undefined || !entry.isFile() || !isWalFile(name)) continue;
      if (await this.has(name)) await rm(join(this.place.spool, entry.name), { force: true });
    }
  }

  /** Adds a file that was found elsewhere, unless it is there. */
  async add(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    if (!(await this.has(name))) await seal(content, this.path(name), { key: this.place.key, name });
  }

  /** Removes what a recovery from this segment on does not need, oldest first, so that a kill leaves no gap. Histories stay. */
  async prune(before: string): Promise<void> {
    const { number } = parseSegment(before);
    const names = (await this.names()).filter((name) => !isHistory(name)).sort(byAge);
    for (const name of names) if (parseSegment(name).number < number) await rm(this.path(name), { force: true });
    await syncDirectory(this.place.directory);
  }

  /** Removes what a killed process left half sealed. Only to be called while nothing is being sealed. */
  async removeHalfSealed(): Promise<void> {
    for (const file of await readdir(this.place.directory))
      if (isHalfSealed(file)) await rm(join(this.place.directory, file), { force: true });
  }

  private async readHistory(name: string): Promise<string> {
    const parts: Buffer[] = [];
    for await (const part of this.read(name)) parts.push(part);
    return Buffer.concat(parts).toString();
  }

  private path(name: string): string {
    return join(this.place.directory, name + SUFFIX);
  }
}

/** Histories first, since the segments after them make no sense without; then in the order of writing. */
function byAge(a: string, b: string): number {
  const numberOf = (name: string) => (isHistory(name) ? -1 : parseSegment(name).number);
  return numberOf(a) - numberOf(b) || (a < b ? -1 : 1);
}

async function isEqual(a: AsyncGenerator<Buffer>, b: AsyncGenerator<Buffer>): Promise<boolean> {
  return (await digestOf(a)) === (await digestOf(b));
}

async function digestOf(content: AsyncGenerator<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of content) hash.update(part);
  return hash.digest('hex');
}
