import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '@borealis/contract';
import { BACKUP_NAME, type DatabaseBackup } from '@borealis/engine';
import { z } from 'zod';
import { isHalfSealed, openSealed, seal } from '../archive/sealed-file.js';
import type { ClusterState } from '../cluster/state.js';
import { ensureDirectory, isSystemError, readIfPresent, syncDirectory, writeFileAtomic } from '../system/files.js';

const checked = z.object({ tables: z.number(), rows: z.number(), objects: z.number(), indexes: z.number() });
const proof = z.object({ at: z.string(), seconds: z.number(), failure: z.string().nullable(), checked });
const note = z.object({
  format: z.literal(1),
  name: z.string().regex(BACKUP_NAME),
  takenAt: z.string(),
  seconds: z.number(),
  bytes: z.number(),
  tables: z.number(),
  rows: z.number(),
  proof: proof.nullable(),
});

/** `dump` is what pg_dump wrote, `contents` what the database held at that moment; both are sealed. */
export type Part = 'dump' | 'contents';

const NOTE = '.json';
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
    for (const file of files)
      if (!whole.has(file.slice(0, file.indexOf('.'))) || isHalfSealed(file) || file.endsWith('.tmp'))
        await rm(join(this.directory, file), { force: true });
  }

  /** All complete ones, oldest first. */
  async list(): Promise<DatabaseBackup[]> {
    const files = await readdir(this.directory).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return [];
      throw error;
    });
    const names = files.filter((file) => file.endsWith(NOTE)).map((file) => file.slice(0, -NOTE.length));
    const found = await Promise.all(names.map((name) => this.find(name)));
    return found.filter((backup) => backup !== null).sort((a, b) => (a.takenAt < b.takenAt ? -1 : 1));
  }

  async find(name: string): Promise<DatabaseBackup | null> {
    const text = await readIfPresent(join(this.directory, name + NOTE));
    if (text === null) return null;
    const { format: _, ...backup } = note.parse(JSON.parse(text));
    return backup;
  }

  /** Seals a part; returns the bytes it takes. */
  write(name: string, part: Part, content: AsyncIterable<Buffer>): Promise<number> {
    return seal(content, this.path(name, part), this.sealOf(name, part));
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

  /** All of it is gone, and so is what could open a copy of it. */
  async dropAll(): Promise<void> {
    const { database } = this;
    if (this.state.journal.record.backupKeys[database])
      await this.state.journal.update(({ backupKeys: { [database]: _, ...others } }) => ({ backupKeys: others }));
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  private path(name: string, part: Part): string {
    return join(this.directory, name + suffix(part));
  }

  private sealOf(name: string, part: Part) {
    const { id, archiveKey, backupKeys } = this.state.journal.record;
    const key = archiveKey ?? backupKeys[this.database];
    if (!key) throw new Error('BUG: the backups have no key');
    return {
      key: new Secret(Buffer.from(key.reveal(), 'base64')),
      name: `backups/${id}/${this.database}/${name}/${part}`,
    };
  }

  /** A tenant of a shared cluster has one of his own, which goes with his database. */
  private async makeKey(): Promise<void> {
    const { record } = this.state.journal;
    if (record.archiveKey || record.backupKeys[this.database]) return;
    const key = new Secret(randomBytes(32).toString('base64'));
    await this.state.journal.update(({ backupKeys }) => ({ backupKeys: { [this.database]: key, ...backupKeys } }));
  }
}
