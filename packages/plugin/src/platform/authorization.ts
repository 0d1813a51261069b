import { Secret } from '@borealis/contract';
import type { APIClient } from '@heroku-cli/command';
import { warn } from '@oclif/core/errors';
import { z } from 'zod';
import { holdInterruptions } from '../signals.js';
import { expected } from './answer.js';

const LIFETIME_SECONDS = 180;

const authorization = z.object({ id: z.string(), access_token: z.object({ token: z.string() }) });

/**
 * Lends `use` a token that proves who the user is and can do nothing else, and deletes it afterwards: also when
 * `use` fails and when Ctrl+C arrives at any moment. At the very worst it ends by itself after 3 minutes.
 */
export async function withTemporaryToken<T>(heroku: APIClient, use: (token: Secret) => Promise<T>): Promise<T> {
  const { interrupted, release } = holdInterruptions();
  try {
    const { id, access_token } = await createAuthorization(heroku);
    try {
      return await Promise.race([interrupted, use(new Secret(access_token.token))]);
    } finally {
      await deleteAuthorization(heroku, id);
    }
  } finally {
    release();
  }
}

async function createAuthorization(heroku: APIClient): Promise<z.infer<typeof authorization>> {
  const { body } = await heroku.post('/oauth/authorizations', {
    body: {
      description: 'Borealis PG CLI plugin temporary auth token',
      expires_in: LIFETIME_SECONDS,
      scope: ['read', 'identity'],
    },
  });
  return expected(authorization, body);
}

async function deleteAuthorization(heroku: APIClient, id: string): Promise<void> {
  try {
    await heroku.delete(`/oauth/authorizations/${encodeURIComponent(id)}`);
  } catch {
    warn(`The temporary authorization ${id} could not be deleted. It ends by itself within 3 minutes`);
  }
}
