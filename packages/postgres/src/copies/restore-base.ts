import { join } from 'node:path';
import type pg from 'pg';
import { syncPath } from '../durable.js';
import { writeNew } from '../server/configuration.js';
import { copyOneFile } from './copy-file.js';
import { type CopyOptions, copyTree } from './copy-tree.js';

const LABEL = 'backup_label';

/**
 * Copies a base, as `copyServer` made it, into `target`, a new directory. A server that is started on it with `ServerSpec.recovery` asks for
 * all the log that it needs, and goes on to that moment.
 */
export async function restoreBase(
  base: string,
  target: string,
  options: CopyOptions,
): Promise<Awaited<ReturnType<typeof copyTree>>> {
  const copied = await copyTree(base, target, { ...options, isStill: true });
  const how = { method: copied.method, from: options.from, to: options.to, signal: options.signal, onBytes: () => {} };
  if (!(await copyOneFile(join(base, LABEL), join(target, LABEL), how)))
    throw new Error(`"${base}" is no complete copy of a server: it has no ${LABEL}.`);
  await writeNew(join(target, 'recovery.signal'), '', options.to);
  await syncPath(target);
  return copied;
}

/**
 * Makes the server finish the segment of the log that it is writing, with a commit that is later than every one before the call; a recovery
 * to a past moment ends only at a later commit. Gives the segment's name: once that one is kept, all before is.
 */
export async function finishLog(client: pg.Client): Promise<string> {
  // A statement that is given a number is a transaction in the log, though it changes nothing.
  await client.query('select txid_current()');
  const { rows } = await client.query<{ segment: string }>('select pg_walfile_name(pg_switch_wal()) as segment');
  return rows[0]!.segment;
}
