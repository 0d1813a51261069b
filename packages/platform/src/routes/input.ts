import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalid } from '../errors.js';

/** A part of the path, decoded. */
export function param(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name] ?? '';
}

/** The body in that shape, or a 422 that names the first field that is not. No body counts as an empty object. */
export function body<T>(request: FastifyRequest, schema: z.ZodType<T>): T {
  const result = schema.safeParse(request.body ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const field = issue.path.join('.') || 'the body';
  throw invalid(`${field} is not valid: ${issue.message.replace(/\.$/, '')}.`);
}

/** Things are named by a string or, as Heroku's own client also does, by an object with a name, id or e-mail address. */
export const reference = z
  .union(
    [
      z.string(),
      z.object({ name: z.string() }).transform((value) => value.name),
      z.object({ id: z.string() }).transform((value) => value.id),
      z.object({ email: z.string() }).transform((value) => value.email),
    ],
    { error: 'it must be a name, or an object with a name or an id' },
  )
  .pipe(z.string().min(1).max(256));
