import { CLIError } from '@oclif/core/errors';
import type { z } from 'zod';

/** The body of a Platform API answer in the shape we need. Throws a sentence, never the body, when it has another. */
export function expected<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new CLIError('Heroku gave an answer that cannot be understood. Try again later.');
  return parsed.data;
}
