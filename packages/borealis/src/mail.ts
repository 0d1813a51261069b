import { z } from 'zod';
import type { PlatformClient } from './platform-client.js';

const mails = z.array(
  z.object({
    message_id: z.string(),
    from: z.string(),
    to: z.array(z.string()),
    subject: z.string(),
    text: z.string(),
    received_at: z.string(),
  }),
);
export type ReceivedMails = z.infer<typeof mails>;

/** The e-mails that the local platform received, newest first. */
export async function receivedMails(platform: PlatformClient): Promise<ReceivedMails> {
  return mails.parse(await platform.request('GET', '/stand-in/mail'));
}

/** As a mail program would show them. */
export function formatMails(received: ReceivedMails): string {
  if (received.length === 0) return 'No e-mail has come yet.\n';
  return received
    .map(({ received_at, from, to, subject, text }) =>
      printable(`${received_at}  ${from} -> ${to.join(', ')}\n${subject}\n\n${text.trim().replace(/^/gm, '    ')}\n`),
    )
    .join('\n');
}

/** Without what would make a terminal do things. */
function printable(text: string): string {
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, '');
}
