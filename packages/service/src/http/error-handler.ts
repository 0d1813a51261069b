import { EngineError } from '@borealis/engine';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { AppError } from '../errors.js';
import { PlatformUnavailable } from '../platform/platform-http.js';

/** The largest request body, in bytes. What the platform and the CLI send is far below. */
export const BODY_LIMIT = 64 * 1024;

/** Answers every error with a sentence from the table, in the form of one audience. Whatever is not expected is logged and stays inside. */
export function errorHandler(shape: (refusal: AppError) => object) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    const refusal = toAppError(error);
    if (refusal.status >= 500) request.log.error({ err: error }, 'a request failed');
    if (refusal.code === 'unauthorized') void reply.header('www-authenticate', 'Basic realm="borealis"');
    void reply.status(refusal.status).send(shape(refusal));
  };
}

function toAppError(error: FastifyError): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof PlatformUnavailable) return new AppError('platformUnavailable', {}, { cause: error });
  if (error instanceof EngineError && error.retryable) return new AppError('engineBusy', {}, { cause: error });
  if (hasZodFastifySchemaValidationErrors(error)) return new AppError('invalid', { problem: problemOf(error) });
  switch (error.statusCode) {
    case 400:
      return new AppError('malformedJson');
    case 413:
      return new AppError('tooLarge', { limit: String(BODY_LIMIT) });
    case 415:
      return new AppError('mediaType');
    default:
      return new AppError('internal', {}, { cause: error });
  }
}

function problemOf({ validation }: { validation: { instancePath: string; message?: string | undefined }[] }): string {
  const [first] = validation;
  const field = first?.instancePath.split('/').filter(Boolean).join('.');
  return `${field ? `"${field}"` : 'the body'}: ${first?.message ?? 'not understood'}`;
}
