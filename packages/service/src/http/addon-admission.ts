import { addonApiError } from '@borealis/contract';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Admission, admit } from '../access/addon-access.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import type { PlatformApi } from '../platform/platform-api.js';
import { bearerToken } from './authorization.js';

/** Lets the caller of a request in to the add-on that its address names; throws as `admit`, and `unauthorized` without a token. */
export type Admit = (request: FastifyRequest, name: string) => Promise<Admission>;

export function admission(db: ControlDatabase, platform: PlatformApi): Admit {
  return async (request, name) => {
    const token = bearerToken(request.headers.authorization);
    if (!token) throw new AppError('unauthorized');
    return admit(db, platform, token, name);
  };
}

/** What the routes of the add-on API have in common. */
export const tags = ['add-on API'];
export const params = z.object({ name: z.string() });
const E = addonApiError;
export const refusals = { 400: E, 401: E, 403: E, 404: E, 409: E, 422: E, 423: E, 500: E, 503: E };
