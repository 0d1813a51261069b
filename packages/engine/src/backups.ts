/** A sealed dump of one database, and what was found out about it. */
export interface DatabaseBackup {
  /** Its maker's: letters, digits and hyphens. */
  name: string;
  /** The moment that it shows: ISO 8601 in UTC, to the microsecond. */
  takenAt: string;
  /** How long it took to make. */
  seconds: number;
  /** What it takes on the disk. */
  bytes: number;
  /** What the database itself took then; left out where that was not written down. */
  databaseBytes?: number | undefined;
  tables: number;
  rows: number;
  /** The last one; null as long as there was none. */
  proof: BackupProof | null;
}

/** A complete restore of a backup into a server that is thrown away afterwards, compared with what was dumped. */
export interface BackupProof {
  /** When it ended: ISO 8601 in UTC. */
  at: string;
  seconds: number;
  /** Null: all of it came back as it was. Otherwise what is wrong with the backup, as one sentence. */
  failure: string | null;
  /** What was compared with the dumped database, or looked through, and found right. Older proofs compared no sequences. */
  checked: { tables: number; rows: number; objects: number; indexes: number; sequences?: number | undefined };
}

/** Names that a backup can have. */
export const BACKUP_NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,39}$/;
