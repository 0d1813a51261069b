import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HeapRow, rowsOf } from './heap-page.js';
import { WalError } from './wal-error.js';
import { PAGE_BYTES } from './wal-record.js';

const FLAG = { insertCommitted: 0x0100, insertAborted: 0x0200, nobodyDeleted: 0x0800, lockedOnly: 0x0080 } as const;
const SEVERAL = 0x1000;
const READ_PAGES = 128;
/** A catalogue that large is one of millions of tables, or was never vacuumed. */
const LARGEST_CATALOGUE = 2 ** 28;

/** Calls `onPage` with each page of a relation's file, and of those that continue it. */
export async function readPages(path: string, onPage: (block: number, page: Buffer) => void): Promise<void> {
  let block = 0;
  for (let part = 0; ; part++) {
    const file = await open(part === 0 ? path : `${path}.${part}`, 'r').catch((error: NodeJS.ErrnoException) => {
      if (part > 0 && error.code === 'ENOENT') return null;
      throw error;
    });
    if (!file) return;
    try {
      if ((await file.stat()).size + block * PAGE_BYTES > LARGEST_CATALOGUE)
        throw new WalError('The catalogue of the database is too large to be read.');
      for (;;) {
        const pages = Buffer.alloc(READ_PAGES * PAGE_BYTES);
        const { bytesRead } = await file.read(pages, 0, pages.length);
        if (bytesRead < PAGE_BYTES) break;
        for (let at = 0; at + PAGE_BYTES <= bytesRead; at += PAGE_BYTES)
          onPage(block++, pages.subarray(at, at + PAGE_BYTES));
      }
    } finally {
      await file.close();
    }
  }
}

export async function readRows(path: string): Promise<HeapRow[]> {
  const rows: HeapRow[] = [];
  await readPages(path, (_, page) => rows.push(...rowsOf(page)));
  return rows;
}

/** How the transactions of a copied server ended, as its files say. */
export class CopiedTransactions {
  readonly #files = new Map<number, Buffer | null>();

  constructor(private readonly dataDirectory: string) {}

  /** `live`: everybody sees it; `dead`: nobody does; `new`: whoever inserted it had not ended when it was copied. */
  async stateOf({ insertedBy, deletedBy, flags }: HeapRow): Promise<'live' | 'dead' | 'new'> {
    const inserted = flags & FLAG.insertCommitted ? 'committed' : await this.inserterState(insertedBy, flags);
    if (inserted !== 'committed') return inserted === 'aborted' ? 'dead' : 'new';
    const kept = deletedBy === 0 || (flags & (FLAG.nobodyDeleted | FLAG.lockedOnly | SEVERAL)) !== 0;
    return kept || (await this.end(deletedBy)) !== 'committed' ? 'live' : 'dead';
  }

  private async inserterState(transaction: number, flags: number): Promise<'committed' | 'aborted' | 'open'> {
    return flags & FLAG.insertAborted ? 'aborted' : this.end(transaction);
  }

  private async end(transaction: number): Promise<'committed' | 'aborted' | 'open'> {
    // The first three are always there.
    if (transaction < 3) return 'committed';
    const perFile = 2 ** 20;
    const states = await this.file(Math.floor(transaction / perFile));
    // What nobody needs any more is removed.
    if (!states) return 'committed';
    const at = transaction % perFile;
    const state = ((states[Math.floor(at / 4)] ?? 0) >>> ((at % 4) * 2)) & 3;
    return state === 1 ? 'committed' : state === 2 ? 'aborted' : 'open';
  }

  private async file(number: number): Promise<Buffer | null> {
    const known = this.#files.get(number);
    if (known !== undefined) return known;
    const name = number.toString(16).toUpperCase().padStart(4, '0');
    const read = await readFile(join(this.dataDirectory, 'pg_xact', name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    this.#files.set(number, read);
    return read;
  }
}
