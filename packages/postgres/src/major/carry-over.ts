import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { carrySequences } from './carry-sequences.js';
import { carryViews } from './carry-views.js';
import { UPGRADE } from './names.js';
import { notCarried } from './not-carried.js';
import { closeAfterApply, openToApply } from './open-to-apply.js';
import { copyOwnership } from './ownership.js';

/**
 * Carries over what is not replicated of a database that nobody writes to any more and whose rows are all there: sequences, materialized views,
 * triggers, row security and rights as they are; from then on no changes are applied to the copy, until `applyAgain`. Throws when there is something that cannot be carried, and when a view takes longer than so
 * many seconds. Repeated, it does the same.
 */
export async function carryOver(
  from: ServerSpec,
  to: ServerSpec,
  database: string,
  { viewSeconds }: { viewSeconds: number },
): Promise<void> {
  await withConnection(from, database, (old) =>
    withConnection(to, database, async (next) => {
      const left = [...(await notCarried(old)), ...(await copyOwnership(old, next))];
      if (left.length > 0) throw new Error(left.join(' '));
      // From here on nothing more may be applied, since triggers would fire.
      await next.query(`alter subscription ${UPGRADE} disable`);
      await carrySequences(old, next);
      await closeAfterApply(old, next);
      await carryViews(old, next, viewSeconds);
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

/** What stands against an upgrade of the database, a sentence each. */
export async function findNotCarried(spec: ServerSpec, database: string): Promise<string[]> {
  return withConnection(spec, database, notCarried);
}
