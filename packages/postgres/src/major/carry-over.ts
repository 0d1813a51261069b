import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { carryLargeObjects } from './carry-large-objects.js';
import { carrySequences } from './carry-sequences.js';
import { carryUnlogged } from './carry-unlogged.js';
import { carryViews } from './carry-views.js';
import { UPGRADE } from './names.js';
import { addNotes, readNotes } from './notes.js';
import { closeAfterApply, openToApply } from './open-to-apply.js';
import { copyOwnership } from './ownership.js';

/**
 * Copies, while the database is written to, what is not replicated and takes long: large objects and what materialized views show; then reads
 * statistics. `carryOver` then moves only what has changed since. Throws when a view cannot be filled in the copy.
 */
export async function prepareCarryOver(from: ServerSpec, to: ServerSpec, database: string): Promise<void> {
  await withConnection(from, database, (old) =>
    withConnection(to, database, async (next) => {
      await carryLargeObjects(old, next, to, database);
      await carryViews(old, next, to, database);
      await next.query('analyze');
    }),
  );
}

/**
 * Carries over what is not replicated of a database that nobody writes to any more and whose rows are all there: rows of unlogged tables,
 * sequences, large objects, materialized views, triggers, row security, owners and rights as they are; from then on no changes are applied to
 * the copy, until `applyAgain`. Throws when something of it cannot be carried, and when a view takes longer than so many seconds. `to`
 * takes passwords (`access: { method: 'scram' }`). Repeated, it does the same.
 */
export async function carryOver(
  from: ServerSpec,
  to: ServerSpec,
  database: string,
  { viewSeconds }: { viewSeconds: number },
): Promise<void> {
  await withConnection(from, database, (old) =>
    withConnection(to, database, async (next) => {
      // From here on nothing more may be applied, since triggers would fire.
      await next.query(`alter subscription ${UPGRADE} disable`);
      await carryUnlogged(old, next, to, database);
      await carrySequences(old, next);
      await carryLargeObjects(old, next, to, database);
      await closeAfterApply(old, next);
      await next.query(`set statement_timeout = ${viewSeconds * 1000}`);
      await carryViews(old, next, to, database);
      await next.query('set statement_timeout = 0');
      const left = await copyOwnership(old, next);
      if (left.length > 0) throw new Error(left.join(' '));
      // So that `undoSource` gives the copy, too, the identities that were there before.
      await addNotes(to, database, 'identity', await readNotes(from, database, 'identity'));
    }),
  );
}

/** Goes on with applying changes after a carry-over that came to nothing; nothing happens where none was. */
export async function applyAgain(to: ServerSpec, database: string): Promise<void> {
  await withConnection(to, database, async (client) => {
    await openToApply(client);
    await client.query(`alter subscription ${UPGRADE} enable`);
  });
}
