import type { Secret } from '@borealis/contract';
import { CLIError } from '@oclif/core/errors';
import type { z } from 'zod';
import { apiBaseUrl } from '../settings.js';
import { type HttpAnswer, send } from './http.js';
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
    const { status, text } = await this.#send(method, path, options.body);
    const body = parsed(text);
    if (status < 200 || status > 299) throw new AddonApiRefusal(this.addonName, status, body, options.meanings);
    const answer = schema.safeParse(body);
    if (!answer.success) throw new CLIError(UNAVAILABLE);
    return answer.data;
  }

  async #send(method: Method, path: string, content: unknown): Promise<HttpAnswer> {
    const url = new URL(`${apiBaseUrl()}/heroku/resources/${encodeURIComponent(this.addonName)}${path}`);
    const body = content === undefined ? undefined : JSON.stringify(content);
    try {
      return await send({ method, url, headers: this.#headers(body), body });
    } catch (error) {
      throw new CLIError(`${UNAVAILABLE} (${causeOf(error)} at ${url.origin})`);
    }
  }

  /** Without a body Node says itself that a POST has none. */
  #headers(body: string | undefined): Record<string, string> {
    const headers = {
      'user-agent': `borealis-pg-cli node-${process.version}`,
      authorization: `Bearer ${this.#token.reveal()}`,
    };
    if (body === undefined) return headers;
    return { ...headers, 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  }
}

function causeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
