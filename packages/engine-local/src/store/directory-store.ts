import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSystemError, readPieces, syncDirectory } from '../system/files.js';
import { withChecksum, withoutChecksum } from './checksum.js';
import { checkName, type ObjectStore, type StoredObject, StoreError } from './object-store.js';

const UNFINISHED = '.unfinished';
/** A put may find that a removal has just taken the empty directory away. */
const TRIES = 5;

/** A store in a directory, such as a mounted disk of another machine. The directory itself has to be there: it is never made. */
export class DirectoryStore implements ObjectStore {
  constructor(readonly location: string) {}

  async put(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    const path = this.#path(name);
    const temporary = `${path}.${randomBytes(6).toString('hex')}${UNFINISHED}`;
    await this.#explained(async () => {
      try {
        await this.#write(temporary, content);
        await rename(temporary, path);
        await syncDirectory(dirname(path));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      }
    });
  }

  async *get(name: string): AsyncGenerator<Buffer> {
    const path = this.#path(name);
    try {
      yield* withoutChecksum(readPieces(path), `The object "${name}" in ${this.location}`);
    } catch (error) {
      if (isSystemError(error, 'ENOENT') && (await this.#isThere()))
        throw new StoreError('missing', `There is no object "${name}" in ${this.location}.`, { cause: error });
      throw this.#explain(error);
    }
  }

  async list(prefix: string): Promise<StoredObject[]> {
    const found = await this.#explained(() => this.#walk(prefix));
    const names = found.filter((name) => !name.endsWith(UNFINISHED));
    return this.#explained(async () => {
      const sizes = await Promise.all(names.map((name) => lstat(join(this.location, name)).catch(() => null)));
      return names.flatMap((name, at) => (sizes[at] ? [{ name, bytes: sizes[at].size, at: sizes[at].mtime }] : []));
    });
  }

  async remove(name: string): Promise<void> {
    const path = this.#path(name);
    await this.#explained(async () => {
      await this.#requireRoot();
      await rm(path, { force: true });
      await this.#removeEmpty(dirname(path));
    });
  }

  async removeUnfinished(prefix: string): Promise<void> {
    await this.#explained(async () => {
      const found = await this.#walk(prefix);
      for (const name of found.filter((entry) => entry.endsWith(UNFINISHED))) {
        await rm(join(this.location, name), { force: true });
        await this.#removeEmpty(dirname(join(this.location, name)));
      }
    });
  }

  #path(name: string): string {
    return join(this.location, checkName(name));
  }

  async #write(path: string, content: AsyncIterable<Buffer>): Promise<void> {
    const file = await this.#create(path);
    try {
      for await (const part of withChecksum(content)) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #create(path: string): ReturnType<typeof open> {
    for (let tries = 1; ; tries++) {
      await this.#makeDirectories(dirname(path));
      try {
        return await open(path, 'wx', 0o600);
      } catch (error) {
        if (!isSystemError(error, 'ENOENT') || tries === TRIES) throw error;
      }
    }
  }

  /** Those below the store. A store that is gone, since its disk is not mounted, is not made anew. */
  async #makeDirectories(path: string): Promise<void> {
    if (path === this.location) return this.#requireRoot();
    await this.#makeDirectories(dirname(path));
    try {
      await mkdir(path, { mode: 0o700 });
      await syncDirectory(dirname(path));
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
  }

  async #removeEmpty(path: string): Promise<void> {
    if (path === this.location) return;
    try {
      await rmdir(path);
    } catch (error) {
      if (isSystemError(error, 'ENOTEMPTY', 'EEXIST')) return;
      if (!isSystemError(error, 'ENOENT')) throw error;
    }
    await this.#removeEmpty(dirname(path));
  }

  /** Names of files, half-written ones included, in the order of names. */
  async #walk(prefix: string): Promise<string[]> {
    await this.#requireRoot();
    // Everything below the last complete directory of the prefix.
    const from = prefix.slice(0, prefix.lastIndexOf('/') + 1).replace(/\/$/, '');
    const names: string[] = [];
    await this.#collect(from, names);
    return names.filter((name) => name.startsWith(prefix)).sort();
  }

  async #collect(directory: string, names: string[]): Promise<void> {
    const entries = await readdir(join(this.location, directory), { withFileTypes: true }).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return [];
      throw error;
    });
    for (const entry of entries) {
      const name = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory()) await this.#collect(name, names);
      else if (entry.isFile()) names.push(name);
    }
  }

  async #requireRoot(): Promise<void> {
    if (!(await this.#isThere())) throw new StoreError('unavailable', `The store ${this.location} is no directory.`);
  }

  async #isThere(): Promise<boolean> {
    const found = await stat(this.location).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null;
      throw error;
    });
    return found?.isDirectory() ?? false;
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** What the content's own source says is not the store's to explain. */
  #explain(error: unknown): unknown {
    const { path } = (error ?? {}) as NodeJS.ErrnoException;
    const options = { cause: error };
    if (isSystemError(error, 'ENOSPC', 'EDQUOT'))
      return new StoreError('full', `There is no room left in the store ${this.location}.`, options);
    if (!path?.startsWith(this.location)) return error;
    if (isSystemError(error, 'EACCES', 'EPERM', 'EROFS'))
      return new StoreError('refused', `The store ${this.location} cannot be written or read: no permission.`, options);
    return new StoreError('unavailable', `The store ${this.location} fails: ${(error as Error).message}.`, options);
  }
}
