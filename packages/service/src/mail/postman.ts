import type { Secret } from '@borealis/contract';
import { createTransport } from 'nodemailer';

/** One e-mail, ready to go. */
export interface Letter {
  id: string;
  to: string;
  subject: string;
  body: string;
}

/** What the operator may know of a failure: never an address, never what a login said. */
export class MailRefused extends Error {
  override name = 'MailRefused';
}

const TIMEOUT_MS = 10_000;

/** Hands e-mails to an SMTP server, each with a Message-ID that follows from its id. */
export class Postman {
  readonly #transport: ReturnType<typeof connect>;
  readonly #domain: string;

  /** `smtpUrl` is `smtp://…` or `smtps://…`, with user and password where the server wants them. Throws when it is neither. */
  constructor(
    smtpUrl: Secret,
    private readonly from: string,
  ) {
    this.#transport = connect(smtpUrl);
    this.#domain = /@([^\s>@]+)>?$/.exec(from)?.[1] ?? 'borealis';
  }

  /** Resolves when the server has taken the mail over; throws `MailRefused` otherwise. */
  async send({ id, to, subject, body }: Letter): Promise<void> {
    const mail = { from: this.from, to, subject, text: body, messageId: `<${id}@${this.#domain}>` };
    // Out-of-office answers to a notice interest nobody.
    const headers = { 'Auto-Submitted': 'auto-generated' };
    try {
      await this.#transport.sendMail({ ...mail, headers, disableFileAccess: true, disableUrlAccess: true });
    } catch (error) {
      throw new MailRefused(reasonOf(error));
    }
  }
}

function connect(smtpUrl: Secret) {
  if (!/^smtps?:\/\/[^\s]+$/.test(smtpUrl.reveal()))
    throw new Error('The address of the SMTP server must begin with smtp:// or smtps://.');
  const [connectionTimeout, greetingTimeout, socketTimeout] = [TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS];
  return createTransport({ url: smtpUrl.reveal(), connectionTimeout, greetingTimeout, socketTimeout });
}

function reasonOf(error: unknown): string {
  const { code, command, responseCode } = error as { code?: string; command?: string; responseCode?: number };
  return [code ?? 'unknown', command, responseCode].filter((part) => part !== undefined).join(' ');
}
