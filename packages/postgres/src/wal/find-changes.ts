import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { readBaseCatalogue } from './base-catalogue.js';
import { CatalogueFile } from './catalogue-file.js';
import { ChangeCollector } from './change-collector.js';
import type { ChangeFilter, FoundChange, TableHint } from './changes.js';
import { LogFollower } from './log-follower.js';
import { WalError } from './wal-error.js';
import { formatOfMajor } from './wal-format.js';
import { WalReader } from './wal-reader.js';

/** One segment of the log; its number is counted from the beginning of time. */
export interface LogSegment {
  number: number;
  content: AsyncIterable<Buffer>;
}

export interface ChangeSearch extends ChangeFilter {
  database: string;
  /** A copy of the server's data as `copyServer` made it, at the moment from which changes are wanted or before. */
  base: string;
  segmentBytes: number;
  /** The log from the base's first segment on, each time from its beginning. */
  log: () => AsyncIterable<LogSegment>;
  /** At most so many changes are kept, the newest ones. */
  most: number;
  signal: AbortSignal;
}

export interface ChangesFound {
  /** In the order of the log, which is that of commits. */
  changes: readonly FoundChange[];
  /** How many older ones were found beyond those. */
  omitted: number;
  /** False when no table of the wanted name was there at any time. */
  isKnown: boolean;
  hint: TableHint | null;
  /** Transactions that had begun before the log that was read; what they did before is not in `changes`. */
  begunBefore: readonly { transaction: number; committedAt: number }[];
}

/** A catalogue has moved to another file: the log has to be read again with both in view. */
class CatalogueMoved {
  constructor(
    readonly file: number,
    readonly ofNamespaces: boolean,
  ) {}
}

/**
 * Finds the transactions that deleted or updated rows of tables, emptied or dropped them, in a copy of a server and the log since. It needs
 * no server: it follows the names of tables through the log itself. Only what is committed is given, and only what was there before its
 * transaction. Null when the copy has no such database. Throws a `WalError` where the log cannot be read, and what `log` throws.
 */
export async function findChanges(search: ChangeSearch): Promise<ChangesFound | null> {
  const moved: CatalogueMoved[] = [];
  for (;;) {
    try {
      return await read(search, moved);
    } catch (error) {
      if (!(error instanceof CatalogueMoved)) throw error;
      moved.push(error);
    }
  }
}

async function read(search: ChangeSearch, moved: readonly CatalogueMoved[]): Promise<ChangesFound | null> {
  const major = await readFile(join(search.base, 'PG_VERSION'), 'utf8');
  const format = formatOfMajor(major);
  if (!format) throw new WalError(`The log of PostgreSQL ${major.trim()} cannot be read.`);
  const base = await readBaseCatalogue(search.base, search.database, format);
  if (!base) return null;
  for (const { file, ofNamespaces } of moved) {
    base.rows.set(file, new CatalogueFile());
    if (ofNamespaces) base.namespaceFiles.add(file);
  }
  const collector = new ChangeCollector(base, search, search.most);
  const follower = new LogFollower(base, collector, search.kinds.includes('update'), (file, ofNamespaces) => {
    throw new CatalogueMoved(file, ofNamespaces);
  });
  await readLog(search, new WalReader(search.segmentBytes, LogFollower.wants, (record) => follower.follow(record)));
  const { found, isKnown, hint } = collector;
  const changes = found.items;
  return { changes, omitted: found.omitted, isKnown, hint, begunBefore: follower.begunBefore };
}

async function readLog({ log, signal }: ChangeSearch, reader: WalReader): Promise<void> {
  for await (const { number, content } of log()) {
    reader.beginSegment(number);
    for await (const part of content) {
      signal.throwIfAborted();
      reader.feed(part);
      // Whatever else this process does is not to wait for it.
      await turn();
    }
    reader.endSegment();
  }
}
