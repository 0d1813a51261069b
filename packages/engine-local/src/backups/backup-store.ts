import { randomBytes } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '@borealis/contract';
import type { DatabaseBackup } from '@borealis/engine';
import { isHalfSealed, openSealed, seal } from '../archive/sealed-file.js';
import type { ClusterState } from '../cluster/state.js';
import {
  ensureDirectory,
  isSystemError,
  readIfPresent,
  readPieces,
  syncDirectory,
  writeFileAtomic,
} from '../system/files.js';
import { backupNote, type Part, sealNameOf } from './backup-note.js';

const NOTE = '.json';
/** A backup that is to go from the object store, too. */
const DROPPED = '.dropped';
const suffix = (part: Part) => `.${part}.sealed`;

/** The sealed dumps of one database. It keeps nothing in memory: a backup is there when its note is. */
export class BackupStore {
  constructor(
    private readonly state: ClusterState,
    private readonly database: string,
  ) {}

  get directory(): string {
    return join(this.state.journal.paths.backups, this.database);
  }

  /** Makes the place ready: its directories, its key, and nothing left of what a killed process began. */
  async prepare(): Promise<void> {
    await ensureDirectory(this.state.journal.paths.backups, 0o700);
    await ensureDirectory(this.directory, 0o700);
    await this.makeKey();
    const files = await readdir(this.directory);
    const whole = new Set(files.filter((file) => file.endsWith(NOTE)).map((file) => file.slice(0, -NOTE.length)));
    for (const file of files) if (!isOfUse(file, whole)) await rm(join(this.directory, file), { force: true });
  }

  /** When a file in its directory came or went last, in milliseconds; 0 before there is one. */
  async changedAt(): Promise<number> {
    const found = await stat(this.directory).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return null;
      throw error;
    });
    return found?.mtimeMs ?? 0;
  }

  /** All complete ones, oldest first. */
  async list(): Promise<DatabaseBackup[]> {
    const names = (await this.files()).filter((file) => file.endsWith(NOTE)).map((file) => file.slice(0, -NOTE.length));
    const found = await Promise.all(names.map((name) => this.find(name)));
    return found.filter((backup) => backup !== null).sort((a, b) => (a.takenAt < b.takenAt ? -1 : 1));
  }

  async find(name: string): Promise<DatabaseBackup | null> {
    const text = await readIfPresent(join(this.directory, name + NOTE));
    if (text === null) return null;
    const { format: _, ...backup } = backupNote.parse(JSON.parse(text));
    return backup;
  }

  /** Seals a part; returns the bytes it takes. */
  write(name: string, part: Part, content: AsyncIterable<Buffer>): Promise<number> {
    return seal(content, this.path(name, part), this.sealOf(name, part));
  }

  /** A part as it lies on the disk. */
  sealed(name: string, part: Part): AsyncGenerator<Buffer> {
    return readPieces(this.path(name, part));
  }

  /** Throws a `SealedFileError` unless every byte is what was sealed. */
  read(name: string, part: Part): AsyncGenerator<Buffer> {
    return openSealed(this.path(name, part), this.sealOf(name, part));
  }

  /** From now on the backup is there, with what is known of it. */
  async keep(backup: DatabaseBackup): Promise<void> {
    const text = `${JSON.stringify({ format: 1, ...backup }, null, 1)}\n`;
    await writeFileAtomic(join(this.directory, backup.name + NOTE), text, 0o600);
  }

  /** Killed in between it is none any more. */
  async drop(name: string): Promise<void> {
    await rm(join(this.directory, name + NOTE), { force: true });
    for (const part of ['dump', 'contents'] as const) await rm(this.path(name, part), { force: true });
    await syncDirectory(this.directory).catch((error: unknown) => {
      if (!isSystemError(error, 'ENOENT')) throw error;
    });
  }

  /** Drops it here, and writes down that it is to go from the object store. */
  async dropEverywhere(name: string): Promise<void> {
    const isNoted = await this.noteDropped(name).then(
      () => true,
      (error: unknown) => {
        // A full disk must not keep from making room.
        if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
        return false;
      },
    );
    await this.drop(name);
    if (!isNoted) await this.noteDropped(name);
  }

  /** The names of those that are to go from the object store. */
  async dropped(): Promise<string[]> {
    return (await this.files()).filter((file) => file.endsWith(DROPPED)).map((file) => file.slice(0, -DROPPED.length));
  }

  /** It is gone from there. */
  async forgetDropped(name: string): Promise<void> {
    await rm(join(this.directory, name + DROPPED), { force: true });
  }

  /** All of it is gone, and so is what could open a copy of it. */
  async dropAll(): Promise<void> {
    const { database } = this;
    if (this.state.journal.record.backupKeys[database])
      await this.state.journal.update(({ backupKeys: { [database]: _, ...others } }) => ({ backupKeys: others }));
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** What its parts are sealed with. Only once it was prepared. */
  key(): Secret<Buffer> {
    const { archiveKey, backupKeys } = this.state.journal.record;
    const key = archiveKey ?? backupKeys[this.database];
    if (!key) throw new Error('BUG: the backups have no key');
    return new Secret(Buffer.from(key.reveal(), 'base64'));
  }

  private path(name: string, part: Part): string {
    return join(this.directory, name + suffix(part));
  }

  private sealOf(name: string, part: Part) {
    return { key: this.key(), name: sealNameOf(this.state.journal.record.id, this.database, name, part) };
  }

  private async noteDropped(name: string): Promise<void> {
    await writeFileAtomic(join(this.directory, name + DROPPED), '', 0o600).catch((error: unknown) => {
      // Nothing was ever made.
      if (!isSystemError(error, 'ENOENT')) throw error;
    });
  }

  private async files(): Promise<string[]> {
    return readdir(this.directory).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return [];
      throw error;
    });
  }

  /** A tenant of a shared cluster has one of his own, which goes with his database. */
  private async makeKey(): Promise<void> {
    const { record } = this.state.journal;
    if (record.archiveKey || record.backupKeys[this.database]) return;
    const key = new Secret(randomBytes(32).toString('base64'));
    await this.state.journal.update(({ backupKeys }) => ({ backupKeys: { [this.database]: key, ...backupKeys } }));
  }
}

function isOfUse(file: string, whole: ReadonlySet<string>): boolean {
  if (isHalfSealed(file) || file.endsWith('.tmp')) return false;
  return file.endsWith(DROPPED) || whole.has(file.slice(0, file.indexOf('.')));
}
