import type { Manifest } from '@borealis/contract';

export interface PartnerAnswer {
  status: number;
  /** Empty when the answer held no JSON object. */
  body: Record<string, unknown>;
}

export class AnswerTooLarge extends Error {}

const MAX_ANSWER_BYTES = 1024 * 1024;

/** Speaks Heroku's Partner API to the add-on's maker. */
export class PartnerClient {
  readonly #api: Manifest['api'];
  readonly #authorization: string;
  readonly #timeoutMs: number;
  readonly #stopped: AbortSignal;

  constructor(manifest: Manifest, timeoutMs: number, stopped: AbortSignal) {
    this.#api = manifest.api;
    this.#authorization = `Basic ${Buffer.from(`${manifest.id}:${manifest.api.password}`).toString('base64')}`;
    this.#timeoutMs = timeoutMs;
    this.#stopped = stopped;
  }

  provision(body: unknown): Promise<PartnerAnswer> {
    return this.#send('POST', '', body);
  }

  changePlan(addonId: string, plan: string): Promise<PartnerAnswer> {
    return this.#send('PUT', `/${addonId}`, { plan });
  }

  deprovision(addonId: string): Promise<PartnerAnswer> {
    return this.#send('DELETE', `/${addonId}`);
  }

  /** Throws when no whole answer came within the time limit. */
  async #send(method: string, path: string, body?: unknown): Promise<PartnerAnswer> {
    const response = await fetch(`${this.#api.production.base_url}${path}`, {
      method,
      redirect: 'manual',
      signal: AbortSignal.any([AbortSignal.timeout(this.#timeoutMs), this.#stopped]),
      headers: {
        authorization: this.#authorization,
        accept: 'application/vnd.heroku-addons+json; version=3',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: parseObject(await readLimited(response)) };
  }
}

async function readLimited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new AnswerTooLarge('the answer is larger than 1 MB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}
