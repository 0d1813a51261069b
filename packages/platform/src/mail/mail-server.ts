import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import PostalMime from 'postal-mime';
import { SMTPServer, type SMTPServerDataStream } from 'smtp-server';
import type { Platform } from '../context.js';
import type { Mail } from '../store/records.js';

export interface MailServer {
  port: number;
  stop(): Promise<void>;
}

/** How many e-mails are kept; the oldest go first. */
const KEPT = 100;
const MAX_BYTES = 256 * 1024;

/** Starts an SMTP server on loopback that takes e-mail for everybody, keeps the newest and passes none on. */
export async function startMailServer(platform: Platform, port: number): Promise<MailServer> {
  const server = new SMTPServer({
    // Nothing leaves this machine, and a certificate that nobody can check would only be refused.
    disabledCommands: ['STARTTLS', 'AUTH'],
    logger: false,
    size: MAX_BYTES,
    closeTimeout: 1_000,
    disableReverseLookup: true,
    onData(stream, session, done) {
      const recipients = session.envelope.rcptTo.map(({ address }) => address.toLowerCase());
      receive(stream, recipients)
        .then((mail) => keep(platform, mail))
        .then(
          () => done(),
          (error: Error) => done(error),
        );
    },
  });
  server.on('error', (error: Error) => platform.log.warn({ err: error }, 'the mail server had trouble'));
  const listening = server.server;
  await new Promise<void>((resolve, reject) => {
    listening.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (listening.address() as AddressInfo).port,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function receive(stream: SMTPServerDataStream, recipients: string[]): Promise<Omit<Mail, 'receivedAt'>> {
  const source = await buffer(stream);
  if (stream.sizeExceeded)
    throw Object.assign(new Error(`An e-mail may have ${MAX_BYTES / 1024} KB.`), { responseCode: 552 });
  const mail = await PostalMime.parse(source);
  return {
    id: randomUUID(),
    messageId: mail.messageId ?? '',
    from: mail.from?.address ?? '',
    to: recipients,
    subject: mail.subject ?? '',
    text: mail.text ?? '',
  };
}

/** The sender is told that his mail was taken when it is on disk. */
function keep(platform: Platform, mail: Omit<Mail, 'receivedAt'>): void {
  const old = platform.store.all('mails').sort((left, right) => right.receivedAt - left.receivedAt);
  platform.store.commit((tx) => {
    tx.put('mails', { ...mail, receivedAt: platform.now() });
    for (const { id } of old.slice(KEPT - 1)) tx.delete('mails', id);
  });
}
