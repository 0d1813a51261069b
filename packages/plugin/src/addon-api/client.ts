import type { Secret } from '@borealis/contract';
import { CLIError } from '@oclif/core/errors';
import type { z } from 'zod';
import { apiBaseUrl } from '../settings.js';
import { AddonApiRefusal, type Meanings, UNAVAILABLE } from './refusal.js';

type Method = 'GET' | 'POST' | 'DELETE';
export interface RequestOptions {
  body?: unknown;
  meanings?: Meanings;
}

/** The add-on API for one add-on, with one temporary token. Every failure is a sentence and exit code 2. */
export class AddonApi {
  readonly #token: Secret;
  readonly addonName: string;

  constructor(token: Secret, addonName: string) {
    this.#token = token;
    this.addonName = addonName;
  }

  /** Asks `path` below the add-on's own resource (`''` is the resource itself) and gives the answer's body, checked. */
  async request<T>(method: Method, path: string, schema: z.ZodType<T>, options: RequestOptions = {}): Promise<T> {
    const response = await this.#send(method, path, options.body);
    const body = await json(response);
    if (!response.ok) throw new AddonApiRefusal(this.addonName, response.status, body, options.meanings);
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw new CLIError(UNAVAILABLE);
    return parsed.data;
  }

  async #send(method: Method, path: string, body: unknown): Promise<Response> {
    const url = `${apiBaseUrl()}/heroku/resources/${encodeURIComponent(this.addonName)}${path}`;
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#token.reveal()}`,
      'user-agent': `borealis-pg-cli node-${process.version}`,
    };
    if (body !== undefined) headers['content-type'] = 'application/json';
    try {
      // A redirect would carry the token to somewhere else.
      return await fetch(url, {
        method,
        headers,
        redirect: 'error',
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw new CLIError(`${UNAVAILABLE} (${causeOf(error)} at ${new URL(url).origin})`);
    }
  }
}

function causeOf(error: unknown): string {
  const cause = (error as Error).cause as (Error & { code?: string }) | undefined;
  return cause?.code ?? cause?.message ?? (error as Error).message;
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}
