import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CopiedTransactions, readPages, readRows } from './base-files.js';
import { Catalogue } from './catalogue.js';
import { CatalogueFile } from './catalogue-file.js';
import { CATALOGUE, type Named, type Relation, readFileMap, readNamed, readRelation } from './catalogue-rows.js';
import { type HeapRow, rowsOf } from './heap-page.js';
import { parseLsn, WalError } from './wal-error.js';
import type { WalFormat } from './wal-format.js';

/** What a copied data directory says of one of its databases. */
export interface BaseCatalogue {
  database: number;
  /** The log is to be followed from here on. */
  begin: number;
  catalogue: Catalogue;
  /** The rows of `pg_class` and `pg_namespace`, by the numbers of their files. */
  rows: Map<number, CatalogueFile>;
  /** Which of those files are of `pg_namespace`. */
  namespaceFiles: Set<number>;
  /** What a transaction had inserted that was under way. */
  pending: { transaction: number; row: { relation: Relation } | { namespace: Named } }[];
}

/** Reads a copy of a server as `copyServer` made it; null when it has no database of that name. */
export async function readBaseCatalogue(base: string, name: string, format: WalFormat): Promise<BaseCatalogue | null> {
  const transactions = new CopiedTransactions(base);
  const database = await findDatabase(base, name, transactions);
  if (database === null) return null;
  const directory = join(base, 'base', String(database));
  const map = readFileMap(await readFile(join(directory, 'pg_filenode.map')));
  const relationFile = mapped(map, CATALOGUE.relations);
  const found: BaseCatalogue = {
    ...{ database, begin: await readBegin(base), catalogue: new Catalogue() },
    ...{ rows: new Map(), namespaceFiles: new Set(), pending: [] },
  };
  for (const [oid, file] of map) found.catalogue.putFile(oid, file);
  for (const { state, row } of await readFileRows(found, directory, relationFile, transactions)) {
    const relation = readRelation(row.columns, format);
    if (state === 'live') found.catalogue.put(relation);
    else found.pending.push({ transaction: row.insertedBy, row: { relation } });
  }
  const namespaceFile = found.catalogue.find(CATALOGUE.namespaces)?.file ?? 0;
  found.namespaceFiles.add(namespaceFile);
  for (const { state, row } of await readFileRows(found, directory, namespaceFile, transactions)) {
    const namespace = readNamed(row.columns);
    if (state === 'live') found.catalogue.putNamespace(namespace);
    else found.pending.push({ transaction: row.insertedBy, row: { namespace } });
  }
  return found;
}

async function findDatabase(base: string, name: string, transactions: CopiedTransactions): Promise<number | null> {
  const map = readFileMap(await readFile(join(base, 'global', 'pg_filenode.map')));
  for (const row of await readRows(join(base, 'global', String(mapped(map, CATALOGUE.databases))))) {
    const found = readNamed(row.columns);
    if (found.name === name && (await transactions.stateOf(row)) === 'live') return found.oid;
  }
  return null;
}

function mapped(map: Map<number, number>, oid: number): number {
  const file = map.get(oid);
  if (file === undefined) throw new WalError('The map of the catalogues is not complete.');
  return file;
}

/** The rows of a catalogue that are live, or may come to life; all of them are noted for the log to go on from. */
async function readFileRows(
  { rows }: BaseCatalogue,
  directory: string,
  number: number,
  transactions: CopiedTransactions,
): Promise<{ state: 'live' | 'new'; row: HeapRow }[]> {
  const file = new CatalogueFile();
  const all: HeapRow[] = [];
  await readPages(join(directory, String(number)), (block, page) => {
    file.loadPage(block, page);
    all.push(...rowsOf(page));
  });
  rows.set(number, file);
  const wanted: { state: 'live' | 'new'; row: HeapRow }[] = [];
  for (const row of all) {
    const state = await transactions.stateOf(row);
    if (state !== 'dead') wanted.push({ state, row });
  }
  return wanted;
}

async function readBegin(base: string): Promise<number> {
  const label = await readFile(join(base, 'backup_label'), 'utf8');
  const lsn = /^START WAL LOCATION: ([0-9A-F]+\/[0-9A-F]+) /m.exec(label)?.[1];
  if (!lsn) throw new WalError('The copy of the data does not say where its log begins.');
  return parseLsn(lsn);
}
