import { Secret } from '@borealis/contract';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openDatabase } from '../src/database.js';
import { MailDelivery } from '../src/mail/mail-delivery.js';
import { writeMail } from '../src/mail/mailbox.js';
import { Postman } from '../src/mail/postman.js';
import { OauthGrants } from '../src/platform/oauth-grants.js';
import { PlatformApi } from '../src/platform/platform-api.js';
import { Vault } from '../src/vault.js';
import { CLIENT_SECRET } from './support/fake-platform.js';
import { availableAddon, type Harness, MASTER_KEY, until, useService } from './support/harness.js';
import { type MailServer, startMailServer } from './support/mail-server.js';

const start = useService();
const NOTICE = { subject: 'Größe', body: 'One line.\nAnother line.' };

/** The outbox of a service, turned by hand, and an add-on to write about. */
async function outbox(harness: Harness, smtpUrl: string | null) {
  const { pool, platform } = harness;
  const db = { ...openDatabase(pool.options, () => {}), pool };
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const api = new PlatformApi(platform.url, new Secret(CLIENT_SECRET));
  const grants = new OauthGrants(db, new Vault(new Secret(MASTER_KEY)), api, log);
  const postman = smtpUrl ? new Postman(new Secret(smtpUrl), 'Borealis <notices@borealis.test>') : null;
  const delivery = new MailDelivery({ db, grants, platform: api, postman, log });
  const { id } = await availableAddon(harness);
  return {
    ...{ db, id },
    logged: () => lines.join(''),
    write: () => db.transaction((tx) => writeMail(tx.sql, id, NOTICE)),
    deliver: () => delivery.run(new AbortController().signal),
    /** As if every pause were over. */
    goOn: () => pool.query('update mail set not_before = now()'),
    rows: async () => (await pool.query('select * from mail order by written_at')).rows,
  };
}

const ids = ({ mails }: MailServer) => mails.map((mail) => mail.messageId);

test('a notice reaches the owner of the app, once', async () => {
  const harness = await start();
  const server = await startMailServer();
  const { write, deliver, goOn } = await outbox(harness, server.url);
  harness.platform.ownerEmail = 'owner@sushi.example';
  await write();
  await deliver();
  await goOn();
  await deliver();
  expect(server.mails).toHaveLength(1);
  const [mail] = server.mails;
  expect(mail).toMatchObject({
    recipients: ['owner@sushi.example'],
    subject: 'Größe',
    from: { name: 'Borealis', address: 'notices@borealis.test' },
  });
  expect(mail!.text!.trim()).toBe(NOTICE.body);
  expect(mail!.messageId).toMatch(/^<[0-9a-f-]{36}@borealis\.test>$/);
});

test('a notice goes out only when what caused it was committed', async () => {
  const harness = await start();
  const server = await startMailServer();
  const { db, id, deliver } = await outbox(harness, server.url);
  const failing = db.transaction(async (tx) => {
    await writeMail(tx.sql, id, NOTICE);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  await deliver();
  expect(server.mails).toEqual([]);
});

test('whoever dies after the server took a mail sends it again under the same Message-ID', async () => {
  const harness = await start();
  const server = await startMailServer();
  const { write, deliver, goOn } = await outbox(harness, server.url);
  await write();
  await deliver();
  await harness.pool.query('update mail set sent_at = null');
  await deliver();
  expect(server.mails, 'while the one that died might still be at it').toHaveLength(1);
  await goOn();
  await deliver();
  expect(ids(server)).toEqual([ids(server)[0], ids(server)[0]]);
});

test('a mail that is refused waits longer each time, and comes when the server takes it', async () => {
  const harness = await start();
  const server = await startMailServer();
  const { write, deliver, goOn, rows } = await outbox(harness, server.url);
  server.refuseWith = 451;
  await write();
  const pauses: number[] = [];
  for (let tries = 0; tries < 3; tries++) {
    await goOn();
    await deliver();
    const { rows: waiting } = await harness.pool.query<{ seconds: number }>(
      'select extract(epoch from not_before - now())::float8 as seconds from mail',
    );
    pauses.push(waiting[0]!.seconds);
  }
  expect(pauses[1]).toBeGreaterThan(pauses[0]!);
  expect(pauses[2]).toBeGreaterThan(pauses[1]!);
  server.refuseWith = null;
  await goOn();
  await deliver();
  expect(server.mails).toHaveLength(1);
  expect((await rows())[0]).toMatchObject({ tries: 4, sent_at: expect.any(Date) });
});

test('one whose owner cannot be found out holds nobody else up', async () => {
  const harness = await start();
  const server = await startMailServer();
  const { write, deliver, goOn } = await outbox(harness, server.url);
  await write();
  const other = await availableAddon(harness);
  await harness.pool.query("insert into mail (addon_id, subject, body) values ($1, 'other', 'text')", [other.id]);
  harness.platform.outage = 503;
  await deliver();
  expect(server.mails).toEqual([]);
  harness.platform.outage = null;
  harness.platform.accessTokens.delete([...harness.platform.accessTokens.keys()][0]!);
  harness.platform.refreshTokens.delete([...harness.platform.refreshTokens.keys()][0]!);
  await goOn();
  await deliver();
  expect(server.mails.map((mail) => mail.subject)).toEqual(['other']);
});

test('a service sends what another one left, and the password of the server is in no log', async () => {
  const harness = await start();
  const login = { user: 'borealis', password: 'hunter2-hunter2' };
  const server = await startMailServer(login);
  const withPassword = (password: string) => server.url.replace('//', `//${login.user}:${password}@`);
  const { write, deliver, logged, goOn } = await outbox(harness, withPassword('wrong-secret'));
  await write();
  await deliver();
  expect(logged()).toContain('an e-mail could not be sent yet');
  expect(logged()).not.toContain('wrong-secret');
  await goOn();
  const next = await harness.another({ smtpUrl: new Secret(withPassword(login.password)) });
  await next.listen();
  await until(() => server.mails.length === 1, 'the mail');
  expect(harness.logged()).not.toContain(login.password);
});

test('without a server the operator is told, and the outbox does not grow for ever', async () => {
  const harness = await start();
  const { id, write, deliver, logged, rows } = await outbox(harness, null);
  expect(logged().match(/there is no SMTP server/g)).toHaveLength(1);
  await write();
  await harness.pool.query(
    `insert into mail (addon_id, subject, body, written_at)
     select $1, 'old', 'text', now() - n * interval '1 second' from generate_series(1, 10100) n`,
    [id],
  );
  await deliver();
  expect(await rows()).toHaveLength(10_000);
  await harness.pool.query("update mail set written_at = now() - interval '8 days' where subject = 'old'");
  await deliver();
  expect((await rows()).map((row) => row.subject)).toEqual([NOTICE.subject]);
  expect(logged()).toContain('mail-dropped');
  expect(() => new Postman(new Secret('http://user:hunter2@host'), 'x@y')).toThrow(/^(?!.*hunter2).*smtp:/);
});
