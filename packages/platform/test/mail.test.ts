import { createTransport } from 'nodemailer';
import { expect, test } from 'vitest';
import { OWNER, type Setup, setUp } from './setup.js';

function send({ smtpUrl }: Setup, to: string | string[], subject = 'Hello', text = 'Some text') {
  return createTransport(smtpUrl!).sendMail({ from: 'Service <service@example.com>', to, subject, text });
}

test('mail is kept, over a restart too, and shown to whom it is for', async () => {
  const world = await setUp();
  const [one, two] = [await world.user('one@example.com'), await world.user('two@example.com')];
  const { messageId } = await send(world, 'One@example.com', 'Grüße', 'A line\nAnother');
  await send(world, ['two@example.com', 'nobody@example.com'], 'Second');
  await world.restart();
  const shown = async (token?: string) => (await world.call('/stand-in/mail', token ? { token } : {})).body;
  expect(await shown(one)).toEqual([
    {
      ...{ from: 'service@example.com', to: ['one@example.com'], subject: 'Grüße', text: 'A line\nAnother\n' },
      ...{ message_id: messageId, received_at: expect.any(String) },
    },
  ]);
  const subjects = (mails: { subject: string }[]) => mails.map((mail) => mail.subject);
  expect(subjects(await shown(two))).toEqual(['Second']);
  expect(subjects(await shown(OWNER.token)), 'newest first').toEqual(['Second', 'Grüße']);
  expect((await world.call('/stand-in/mail', { token: null })).status).toBe(401);
});

test('the oldest go when there are more than a hundred', async () => {
  const world = await setUp();
  const transport = createTransport({ url: world.smtpUrl!, pool: true, maxConnections: 1 });
  for (let n = 1; n <= 102; n++) {
    world.clock.ahead += 1_000;
    await transport.sendMail({ from: 'a@example.com', to: 'b@example.com', subject: String(n), text: '' });
  }
  transport.close();
  const { body } = await world.call('/stand-in/mail');
  expect(body).toHaveLength(100);
  expect([body[0].subject, body.at(-1).subject]).toEqual(['102', '3']);
});

test('what is too large is refused, and nothing of it is kept', async () => {
  const world = await setUp();
  await expect(send(world, 'a@example.com', 'Large', 'x'.repeat(300_000))).rejects.toThrow(/552/);
  expect((await world.call('/stand-in/mail')).body).toEqual([]);
});
