import { rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { POSTGRES_BUILDS, Secret } from '@borealis/contract';
import { z } from 'zod';
import { keptProof } from '../copies/kept-proof.js';
import { traversable } from '../home/home.js';
import { type ClusterPaths, ofEra, ofNode } from '../home/paths.js';
import { formerServer, majorMove, majorOutcome } from '../major/major-record.js';
import { plannedRestart, restartOutcome } from '../restart/restart-record.js';
import { ensureDirectory, isSystemError, readIfPresent, syncDirectory, writeFileAtomic } from '../system/files.js';
import { Mutex } from '../system/mutex.js';
import { clusterAccess, clusterSpec } from './schemas.js';

const secret = z.string().transform((value) => new Secret(value));

/** What a gateway was allotted, once for the cluster's life; only certificate and revision change. */
const gatewayRecord = z.object({
  address: z.object({ bind: z.string(), port: z.number().int(), host: z.string() }),
  hostKeys: z.array(secret).min(1),
  hostKeyPublic: z.string(),
  tls: z.object({ certificate: z.string(), privateKey: secret, notAfter: z.iso.datetime() }),
  mockSecret: secret,
  /** Of the file the gateway runs by; `digest` is that of its content. */
  revision: z.number().int(),
  digest: z.string(),
});
export type GatewayRecord = z.infer<typeof gatewayRecord>;

/** Data that cannot be started is made anew from a base and the log. */
const rebuildRecord = z.object({
  /** What PostgreSQL said. */
  reason: z.string(),
  begunAt: z.iso.datetime(),
  /** By the ends of their copying: the base that it is made from (null: none was chosen yet), and the oldest that did not start either. */
  base: z.string().nullable(),
  failedFrom: z.string().nullable(),
});
export type RebuildRecord = z.infer<typeof rebuildRecord>;

/** The cluster is on its way from one specification to another. */
const changeRecord = z.object({
  /** What it ran by when the first of the changes was asked for that are not through. */
  from: clusterSpec,
  /** The most that a server of the cluster has, or may have by now. Null in records of versions that left standbys as they were. */
  largest: z.object({ vcpu: z.number(), memoryGiB: z.number() }).nullable().default(null),
  /** `primary`: it may not run by the new one yet. `standbys`: it does, and they may not. */
  stage: z.enum(['primary', 'standbys']).default('primary'),
});
export type ChangeRecord = z.infer<typeof changeRecord>;

/**
 * `stale`: its data is of no use and is to be made anew. `following`: it may lack what was acknowledged. `required`: commits wait for it, and
 * it may still lack older ones. `eligible`: every acknowledged commit is on its disk, so it may be promoted.
 */
const standbyRole = z.enum(['stale', 'following', 'required', 'eligible']);
export type StandbyRole = z.infer<typeof standbyRole>;

const standbyRecord = z.object({ node: z.number().int().min(1), role: standbyRole });
export type StandbyRecord = z.infer<typeof standbyRecord>;

/** Another node takes over as the primary. */
const failoverRecord = z.object({
  /** A sentence for people. */
  reason: z.string(),
  begunAt: z.iso.datetime(),
});
export type FailoverRecord = z.infer<typeof failoverRecord>;

/** A former major of the cluster: what it wrote can be restored as long as its bases are kept. */
const formerEra = z.object({
  era: z.number().int().min(1),
  major: clusterSpec.shape.major,
  /** The moment at which the next one took over: what was committed before is in this one. ISO 8601 in UTC, to the microsecond. */
  until: z.string(),
});
export type FormerEra = z.infer<typeof formerEra>;

/** The journal of one cluster: what is wanted, what was allotted, how far access has come. */
const clusterRecord = z.object({
  format: z.literal(1),
  id: z.string(),
  wanted: z.enum(['present', 'gone']),
  spec: clusterSpec,
  /** PostgreSQL's own number. */
  version: z.string(),
  /** For life: data directories of different builds do not mix. */
  build: z.enum(POSTGRES_BUILDS).default('npm'),
  /** Of the primary: grows when another server takes over. */
  generation: z.number().int(),
  /** Grows with each other major: see `ofEra`. The former ones, oldest first, from which something can be restored. */
  era: z.number().int().min(1).default(1),
  formerEras: z.array(formerEra).default([]),
  /** The number of the node that takes writes, and the other nodes. */
  primary: z.number().int().min(1).default(1),
  standbys: z.array(standbyRecord).default([]),
  /** The standby that reads go to; null: they go to the primary. */
  reads: z.number().int().nullable().default(null),
  /** Null: what the last one left was put in order. */
  failover: failoverRecord.nullable().default(null),
  /** Null: everything runs as the keeper's own user. */
  osUsers: z.object({ postgres: z.string(), gateway: z.string().nullable() }).nullable(),
  superuserPassword: secret,
  /** Of the tenant roles where the gateway cannot use peer authentication, of the service's role in the control cluster. */
  backendPassword: secret,
  /** Seals the archive; null where nothing is archived, and in records of versions that archived nothing. */
  archiveKey: secret.nullable().default(null),
  /** Seal the backups of each database where several tenants share the cluster; elsewhere the archive's key does. */
  backupKeys: z.record(z.string(), secret).default({}),
  /** Databases that were made of a dump in an object store, and whether all of it is there. */
  filled: z.record(z.string(), z.object({ backup: z.string(), dump: z.string(), done: z.boolean() })).default({}),
  /** True: it was told that the archive fails, and not yet that it is well again. */
  archiveFailing: z.boolean().default(false),
  /** The same of its bases. */
  basesFailing: z.boolean().default(false),
  /** The same of what proving them finds. */
  proofsFailing: z.boolean().default(false),
  /** What proving a base has found last; null: none was proven yet. */
  baseProof: keptProof.nullable().default(null),
  /** The object store that has, or may have, something of the cluster; null: none. */
  storedIn: z.string().nullable().default(null),
  /** True: it was told that the store fails, and not yet that it is well again. */
  storeFailing: z.boolean().default(false),
  /** Null: the server runs by `spec`. */
  change: changeRecord.nullable().default(null),
  /** Why the last change was taken back; null: it was not. */
  changeFailure: z.string().nullable().default(null),
  /** Null: its data is what it should be, as far as is known. */
  rebuild: rebuildRecord.nullable().default(null),
  /** Null: the server runs by `version` and `spec`, as far as is known. */
  next: plannedRestart.nullable().default(null),
  /** What came of the last planned restart. */
  lastRestart: restartOutcome.nullable().default(null),
  /** Null: no server of another major is to take over. */
  major: majorMove.nullable().default(null),
  /** What came of the last one. */
  lastMajor: majorOutcome.nullable().default(null),
  /** Null: there is no way back to a former major. */
  former: formerServer.nullable().default(null),
  /** Null: no tunnel leads to this cluster. */
  gateway: gatewayRecord.nullable(),
  access: clusterAccess.nullable(),
  /** Revision that PostgreSQL and the gateway both run by. */
  accessInForce: z.number().int(),
  /** True once the cluster has accepted connections: from then on trouble is a recovery. */
  born: z.boolean(),
});
export type ClusterRecord = z.infer<typeof clusterRecord>;

/** The record on disk and in memory, the former always first. */
export class ClusterJournal {
  #current: ClusterRecord;
  readonly #writes = new Mutex();

  private constructor(
    private readonly place: ClusterPaths,
    record: ClusterRecord,
  ) {
    this.#current = record;
  }

  /** Where everything of the cluster is; the server's paths are those of its present primary, in the present era. */
  get paths(): ClusterPaths {
    return ofNode(ofEra(this.place, this.#current.era), this.#current.primary);
  }

  /** The last version that is safe on disk. It is never changed in place. */
  get record(): ClusterRecord {
    return this.#current;
  }

  /** Writes the first version; on failure (a full disk) nothing is left. */
  static async create(paths: ClusterPaths, record: ClusterRecord): Promise<ClusterJournal> {
    await ensureDirectory(paths.directory, traversable());
    try {
      await writeFileAtomic(paths.record, serialize(record), 0o600);
      await syncDirectory(dirname(paths.directory));
    } catch (error) {
      await rmdir(paths.directory).catch(() => undefined);
      throw error;
    }
    return new ClusterJournal(paths, record);
  }

  /** Reads it back; null when there is none. A record that cannot be read throws: it is never guessed. */
  static async open(paths: ClusterPaths): Promise<ClusterJournal | null> {
    const text = await readIfPresent(paths.record);
    return text === null ? null : new ClusterJournal(paths, clusterRecord.parse(JSON.parse(text)));
  }

  /** Changes fields; resolves when the change is safe on disk. `change` sees the version it is based on. */
  async update(change: (record: ClusterRecord) => Partial<ClusterRecord>): Promise<void> {
    await this.#writes.run(async () => {
      const next = { ...this.#current, ...change(this.#current) };
      await writeFileAtomic(this.paths.record, serialize(next), 0o600);
      this.#current = next;
    });
  }

  /**
   * Notes that the cluster is to be destroyed. On a full disk it counts for this life of the keeper only: refusing would keep
   * the disk full, and a cluster that lost its data halfway is never started anew (see `born`).
   */
  async markGone(): Promise<void> {
    try {
      await this.update(() => ({ wanted: 'gone' }));
    } catch (error) {
      if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
      this.#current = { ...this.#current, wanted: 'gone' };
    }
  }

  /** Forgets the cluster: the record goes first of what is left, then its directory. */
  async remove(): Promise<void> {
    await this.#writes.run(async () => {
      await rm(this.paths.record, { force: true });
      await rm(this.paths.directory, { recursive: true, force: true });
      await syncDirectory(dirname(this.paths.directory));
    });
  }
}

/** Removes the empty directory that a crash before the first write left; anything with content is not ours to judge. */
export async function removeEmptyDirectory(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** This file is the one place that holds the secrets, so here they are written out. */
function serialize(record: ClusterRecord): string {
  const reveal = function (this: Record<string, unknown>, key: string, value: unknown) {
    const raw = this[key];
    return raw instanceof Secret ? raw.reveal() : value;
  };
  return `${JSON.stringify(record, reveal, 1)}\n`;
}
