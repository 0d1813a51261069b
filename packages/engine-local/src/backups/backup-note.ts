import { BACKUP_NAME } from '@borealis/engine';
import { z } from 'zod';

const checked = z.object({
  tables: z.number(),
  rows: z.number(),
  objects: z.number(),
  indexes: z.number(),
  sequences: z.number().optional(),
});
const proof = z.object({ at: z.string(), seconds: z.number(), failure: z.string().nullable(), checked });

/** What stands beside a backup, on the disk and in an object store. */
export const backupNote = z.object({
  format: z.literal(1),
  name: z.string().regex(BACKUP_NAME),
  takenAt: z.string(),
  seconds: z.number(),
  bytes: z.number(),
  databaseBytes: z.number().optional(),
  tables: z.number(),
  rows: z.number(),
  proof: proof.nullable(),
});

/** `dump` is what pg_dump wrote, `contents` what the database held at that moment; both are sealed. */
export type Part = 'dump' | 'contents';

/** The name under which a part is sealed, wherever it stands. */
export function sealNameOf(cluster: string, database: string, name: string, part: Part): string {
  return `backups/${cluster}/${database}/${name}/${part}`;
}
