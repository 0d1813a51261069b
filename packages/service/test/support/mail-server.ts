import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import { onTestFinished } from 'vitest';

/** A real SMTP server on loopback for one test. */
export interface MailServer {
  url: string;
  /** Everything it took over, in order. */
  mails: (Email & { recipients: string[] })[];
  /** Refuse every mail with this status when it is set. */
  refuseWith: number | null;
}

/** With a login it takes mail only from who knows it. */
export async function startMailServer(login?: { user: string; password: string }): Promise<MailServer> {
  const state: MailServer = { url: '', mails: [], refuseWith: null };
  const server = new SMTPServer({
    disabledCommands: login ? ['STARTTLS'] : ['STARTTLS', 'AUTH'],
    allowInsecureAuth: true,
    logger: false,
    closeTimeout: 100,
    onAuth: ({ username, password }, _session, done) =>
      username === login?.user && password === login?.password
        ? done(null, { user: username })
        : done(Object.assign(new Error(`Wrong password ${password}`), { responseCode: 535 })),
    onData(stream, session, done) {
      void buffer(stream).then(async (source) => {
        if (state.refuseWith) return done(Object.assign(new Error('Not now'), { responseCode: state.refuseWith }));
        const recipients = session.envelope.rcptTo.map(({ address }) => address);
        state.mails.push({ ...(await PostalMime.parse(source)), recipients });
        done();
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  state.url = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  return state;
}
