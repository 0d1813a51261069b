import type { FastifyInstance } from 'fastify';
import { person } from '../access/authenticate.js';
import type { Platform } from '../context.js';
import { apiTime } from '../views/time.js';

/** What a mail program would show: a user's own e-mails, newest first; the platform's owner sees everybody's. */
export function mailRoutes(server: FastifyInstance, platform: Platform): void {
  server.get('/stand-in/mail', async (request) => {
    const { email } = person(request).user;
    const mails = platform.store.filter('mails', (mail) => email === platform.ownerEmail || mail.to.includes(email));
    return mails
      .sort((left, right) => right.receivedAt - left.receivedAt)
      .map(({ messageId, from, to, subject, text, receivedAt }) => ({
        ...{ message_id: messageId, from, to, subject, text },
        received_at: apiTime(receivedAt),
      }));
  });
}
