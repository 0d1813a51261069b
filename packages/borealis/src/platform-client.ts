import { Failure } from './failure.js';

/** Calls the platform's API as a command line tool would. Errors become a `Failure` with the platform's own sentence. */
export class PlatformClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async request<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        accept: 'application/vnd.heroku+json; version=3',
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error) => {
      throw new Failure(
        `The platform at ${this.#url} does not answer (${(error as Error).message}): is Borealis running?`,
      );
    });
    const text = await response.text();
    const answer = text === '' ? null : JSON.parse(text);
    if (!response.ok)
      throw new PlatformRefusal(response.status, answer?.message ?? `the platform answered ${response.status}`);
    return answer as T;
  }
}

/** The platform's own refusal, with its status. */
export class PlatformRefusal extends Failure {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}
