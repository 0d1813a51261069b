import type { Kysely } from 'kysely';
import type { Database } from '../schema.js';

/** A plain-text e-mail to whoever owns the app of an add-on. */
export interface Notice {
  subject: string;
  body: string;
}

/** Puts an e-mail into the outbox in the caller's transaction: it goes out when and only when its cause is committed. */
export async function writeMail(sql: Kysely<Database>, addonId: string, { subject, body }: Notice): Promise<void> {
  await sql.insertInto('mail').values({ addon_id: addonId, subject, body }).execute();
}
