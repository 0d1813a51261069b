import type { Secret } from '@borealis/contract';
import { BACKUP_NAME, type DatabaseBackup } from '@borealis/engine';
import { backupNote, type Part, sealNameOf } from '../backups/backup-note.js';
import { type ObjectStore, StoreError } from './object-store.js';
import { readKey, SealedPlace } from './sealed-place.js';

/** Where a store keeps the dumps of databases, one directory each. */
export const DATABASES = 'databases/';

const NOTE = 'note';
const PARTS: readonly Part[] = ['dump', 'contents'];
const ID = /^[a-z0-9]+-([a-z0-9]+)-([a-z][a-z0-9_]*)$/;

/** The dumps of one database in a store. One is there when its note is. */
export class DumpPlace extends SealedPlace {
  readonly #cluster: string;
  readonly #database: string;

  constructor(
    store: ObjectStore,
    /** As `dumpPlaceId` makes it. */
    readonly id: string,
    key: Secret<Buffer>,
  ) {
    super(store, `${DATABASES}${id}/`, key);
    const [, cluster, database] = ID.exec(id) ?? [];
    if (!cluster || !database) throw new StoreError('missing', `The store has no backup "${id}".`);
    this.#cluster = cluster;
    this.#database = database;
  }

  /** Opens what a store has of that database; throws as `readKey`. */
  static async open(store: ObjectStore, id: string, wrappingKey: Secret<Buffer>): Promise<DumpPlace> {
    if (!ID.test(id)) throw new StoreError('missing', `The store has no backup "${id}".`);
    return new DumpPlace(store, id, await readKey(store, `${DATABASES}${id}/`, wrappingKey));
  }

  /** The name of the database in the cluster that it was dumped from. */
  get database(): string {
    return this.#database;
  }

  /** The complete dumps, oldest first, and the names of others: half put, or half removed. */
  async list(): Promise<{ dumps: DatabaseBackup[]; unfinished: string[] }> {
    const objects = (await this.names()).filter((object) => object.includes('/'));
    const names = [...new Set(objects.map((object) => object.split('/')[0]!))].filter((name) => BACKUP_NAME.test(name));
    const isComplete = (name: string) => objects.includes(`${name}/${NOTE}`);
    const dumps = await Promise.all(names.filter(isComplete).map((name) => this.#find(name)));
    return {
      dumps: dumps.sort((a, b) => (a.takenAt < b.takenAt ? -1 : 1)),
      unfinished: names.filter((name) => !isComplete(name)),
    };
  }

  async #find(name: string): Promise<DatabaseBackup> {
    const { format: _, ...dump } = backupNote.parse(JSON.parse(await this.text(`${name}/${NOTE}`)));
    return dump;
  }

  /** Puts a dump as it is sealed on the disk; it counts from then on. */
  async putDump(dump: DatabaseBackup, sealed: (part: Part) => AsyncIterable<Buffer>): Promise<void> {
    for (const part of PARTS) await this.putSealed(`${dump.name}/${part}`, sealed(part));
    await this.putNote(dump);
  }

  /** What is known of a dump that is there. */
  async putNote(dump: DatabaseBackup): Promise<void> {
    await this.putText(`${dump.name}/${NOTE}`, JSON.stringify({ format: 1, ...dump }));
  }

  /** Throws as `get`, unless every byte is what was dumped. */
  readDump(name: string, part: Part): AsyncGenerator<Buffer> {
    return this.get(`${name}/${part}`);
  }

  /** Killed in between it is an unfinished one. */
  async removeDump(name: string): Promise<void> {
    await this.remove(`${name}/${NOTE}`);
    for (const part of PARTS) await this.remove(`${name}/${part}`);
    await this.removeUnfinished(`${name}/`);
  }

  /** The key may be the cluster's: nothing of another place passes for what is here. */
  protected override sealName(object: string): string {
    const [name, part] = object.split('/');
    const isPart = PARTS.some((known) => known === part);
    return isPart
      ? sealNameOf(this.#cluster, this.#database, name!, part as Part)
      : `databases/${this.#database}/${object}`;
  }
}

/** The name of a database's dumps in a store that several homes may use. */
export function dumpPlaceId(homeId: string, clusterId: string, database: string): string {
  return `${homeId}-${clusterId}-${database}`;
}
