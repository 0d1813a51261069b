import { platformError } from '@borealis/contract';

/** The platform cannot be reached, is overloaded or broken: the same request may succeed later. */
export class PlatformUnavailable extends Error {
  override name = 'PlatformUnavailable';
  readonly retryable = true;
}

/** The platform understood the request and refused it. */
export class PlatformRefused extends Error {
  override name = 'PlatformRefused';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 15_000;
const WORTH_REPEATING = new Set([408, 425, 429]);

/** Sends one request to the platform; the answer's JSON, or one of the two errors above. Neither holds the request or its token. */
export async function platformRequest(what: string, url: string, init: RequestInit): Promise<unknown> {
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    status = response.status;
    text = await response.text();
  } catch (error) {
    throw new PlatformUnavailable(`The platform did not answer when asked to ${what}.`, { cause: error });
  }
  if (status >= 500 || WORTH_REPEATING.has(status))
    throw new PlatformUnavailable(`The platform answered ${status} when asked to ${what}.`);
  const body = parseJson(text);
  if (status < 200 || status > 299) {
    const said = platformError.safeParse(body).data?.message;
    throw new PlatformRefused(status, `The platform refused to ${what} (${status}${said ? `: ${said}` : ''}).`);
  }
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
