import { createHash } from 'node:crypto';
import { findPlan, PLANS, randomPassword, Secret } from '@borealis/contract';
import { sql } from 'kysely';
import { type Addon, lockAddon } from '../addons/addon-store.js';
import { assertChangeable } from '../addons/readiness.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import type { Person } from '../platform/platform-api.js';

type Queries = Pick<ControlDatabase, 'sql'>;

/** How long a restore token is good. The CLI uses it at once; a person may stop at a prompt on the way. */
const TOKEN_MINUTES = 10;

/** What a valid token stands for. */
export interface TokenGrant {
  /** The add-on that is copied, or the name of a backup in an object store. */
  source: { addonId: string } | { backup: string };
  /** E-mail address of the person who asked for the token. */
  askedBy: string;
}

/**
 * Makes a token that is good for ten minutes and for one new add-on, which becomes a copy of this one; only its digest is kept.
 * Throws `neverCopied` for an add-on that shares its cluster, `noAddon` for one that is being removed, and as `assertChangeable`.
 */
export async function issueRestoreToken(db: ControlDatabase, addonId: string, person: Person): Promise<Secret> {
  const token = new Secret(randomPassword());
  await db.transaction(async (tx) => {
    const addon = await lockAddon(tx, addonId);
    if (!addon || addon.destroy_requested_at) throw new AppError('noAddon');
    assertCopied(addon);
    assertChangeable(addon);
    await insertToken(tx, token, { addon_id: addonId, backup: null }, person.email);
  });
  return token;
}

/** The same for what an object store has under that name; the operator alone asks for it. */
export async function issueImportToken(db: ControlDatabase, backup: string): Promise<Secret> {
  const token = new Secret(randomPassword());
  await db.transaction((tx) => insertToken(tx, token, { addon_id: null, backup }, 'operator'));
  return token;
}

async function insertToken(
  tx: Queries,
  token: Secret,
  source: { addon_id: string | null; backup: string | null },
  askedBy: string,
): Promise<void> {
  await tx.sql.deleteFrom('restore_token').where('valid_until', '<=', sql<Date>`now()`).execute();
  await tx.sql
    .insertInto('restore_token')
    .values({
      digest: digest(token),
      ...source,
      asked_by: askedBy,
      valid_until: sql<Date>`now() + ${TOKEN_MINUTES} * interval '1 minute'`,
    })
    .execute();
}

/** What the token is good for; throws `restoreToken` when that is nothing, or another add-on than this one was made with it. */
export async function findRestoreToken(db: Queries, token: Secret, newAddonId: string): Promise<TokenGrant> {
  const row = await db.sql
    .selectFrom('restore_token')
    .select(['addon_id', 'backup', 'asked_by'])
    .where('digest', '=', digest(token))
    .where('valid_until', '>', sql<Date>`now()`)
    .where((e) => e.or([e('used_by', 'is', null), e('used_by', '=', newAddonId)]))
    .executeTakeFirst();
  return grantOf(row);
}

/** Binds the token to the new add-on for good; otherwise as `findRestoreToken`. */
export async function useRestoreToken(db: Queries, token: Secret, newAddonId: string): Promise<TokenGrant> {
  const row = await db.sql
    .updateTable('restore_token')
    .set({ used_by: newAddonId })
    .where('digest', '=', digest(token))
    .where('valid_until', '>', sql<Date>`now()`)
    .where((e) => e.or([e('used_by', 'is', null), e('used_by', '=', newAddonId)]))
    .returning(['addon_id', 'backup', 'asked_by'])
    .executeTakeFirst();
  return grantOf(row);
}

function grantOf(row: { addon_id: string | null; backup: string | null; asked_by: string } | undefined): TokenGrant {
  if (!row) throw new AppError('restoreToken', { minutes: String(TOKEN_MINUTES) });
  const source = row.backup === null ? { addonId: row.addon_id! } : { backup: row.backup };
  return { source, askedBy: row.asked_by };
}

/** The plans whose add-ons can be copied, and become copies. */
export function copiedPlans() {
  return PLANS.filter((plan) => plan.tenancy === 'isolated');
}

function assertCopied({ plan }: Addon): void {
  if (findPlan(plan)!.tenancy === 'isolated') return;
  const supported = copiedPlans().map(({ name }) => name);
  throw new AppError('neverCopied', { plan, supported: supported.join(', ') });
}

// A token has 190 bits: nobody finds it by trying, so that a fast digest is enough.
function digest(token: Secret): string {
  return createHash('sha256').update(token.reveal()).digest('hex');
}
