import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { ControlDatabase } from '../database.js';
import type { OauthGrants } from '../platform/oauth-grants.js';
import { ownerEmail } from '../platform/owner.js';
import type { PlatformApi } from '../platform/platform-api.js';
import type { Postman } from './postman.js';

interface Parts {
  db: ControlDatabase;
  grants: OauthGrants;
  platform: PlatformApi;
  /** Null when there is no SMTP server: then mails only wait until they are too old. */
  postman: Postman | null;
  log: Logger;
}

interface Claimed {
  id: string;
  addon_id: string;
  subject: string;
  body: string;
}

/** Notices are about the present; one that could not be sent for this long would only confuse. */
const KEEP_DAYS = 7;
/** The outbox never holds more than this; the oldest go first. */
const KEEP_MAILS = 10_000;
/** Longer than any try takes. */
const LEASE_SECONDS = 120;

/** Sends what is in the outbox, oldest first and at least once; what is refused is tried again with longer and longer pauses. */
export class MailDelivery {
  constructor(private readonly parts: Parts) {
    if (!parts.postman)
      parts.log.error(
        { alarm: 'no-smtp' },
        'there is no SMTP server, so nobody gets e-mails: set BOREALIS_SMTP_URL; notices are dropped after seven days',
      );
  }

  /** Sends what is due, until nothing is or `stopping`. */
  async run(stopping: AbortSignal): Promise<void> {
    await this.#tidy();
    if (!this.parts.postman) return;
    while (!stopping.aborted) {
      const mail = await this.#claim();
      if (!mail) return;
      await this.#send(this.parts.postman, mail);
    }
  }

  async #tidy(): Promise<void> {
    const { rows } = await sql<{ sent: boolean }>`
      delete from mail where written_at < now() - ${KEEP_DAYS} * interval '1 day'
        or id in (select id from mail order by written_at desc offset ${KEEP_MAILS})
      returning sent_at is not null as sent`.execute(this.parts.db.sql);
    const lost = rows.filter((row) => !row.sent).length;
    if (lost > 0) this.parts.log.error({ alarm: 'mail-dropped', count: lost }, 'e-mails could not be sent in time');
  }

  // The pause is written before the try: a process that dies meanwhile leaves a mail that is tried again, and two never try one at once.
  async #claim(): Promise<Claimed | undefined> {
    const { rows } = await sql<Claimed>`
      update mail set tries = tries + 1, not_before = now() + ${LEASE_SECONDS} * interval '1 second'
      where id = (
        select id from mail where sent_at is null and not_before <= now()
        order by not_before, written_at limit 1 for update skip locked)
      returning id, addon_id, subject, body`.execute(this.parts.db.sql);
    return rows[0];
  }

  async #send(postman: Postman, { id, addon_id, subject, body }: Claimed): Promise<void> {
    const { db, platform, grants, log } = this.parts;
    try {
      const to = await ownerEmail(platform, grants, addon_id);
      await postman.send({ id, to, subject, body });
    } catch (error) {
      log.warn({ addon: addon_id, mail: id, reason: (error as Error).message }, 'an e-mail could not be sent yet');
      await this.#backOff(id);
      return;
    }
    await db.sql.updateTable('mail').set({ sent_at: sql<Date>`now()` }).where('id', '=', id).execute();
  }

  async #backOff(id: string): Promise<void> {
    await sql`
      update mail set not_before = now() + least(3600, 5 * power(2, least(tries - 1, 12))) * interval '1 second'
      where id = ${id}`.execute(this.parts.db.sql);
  }
}
