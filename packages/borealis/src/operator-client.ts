import { z } from 'zod';

const addons = z.array(z.looseObject({ id: z.string(), name: z.string(), sentence: z.string().nullish() }));
const events = z.looseObject({
  events: z.array(z.looseObject({ at: z.string(), line: z.string() })),
  cursor: z.string().nullable(),
});

/** The service's operator surface, as the foreground of `borealis up` uses it. */
export class OperatorClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async #get(path: string, signal?: AbortSignal): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      ...(signal ? { signal } : {}),
    });
    if (!response.ok) throw new Error(`the service answered ${response.status}`);
    return response.json();
  }

  /** What is going on for one add-on, as a sentence; null when nothing is or the service does not answer. */
  async sentence(addonId: string): Promise<string | null> {
    try {
      const all = addons.parse(await this.#get('/operator/addons'));
      return all.find((addon) => addon.id === addonId)?.sentence ?? null;
    } catch {
      return null;
    }
  }

  /** Log lines after the cursor; waits for the first. */
  async events(
    cursor: string | null,
    signal: AbortSignal,
  ): Promise<{ events: { at: string; line: string }[]; cursor: string | null }> {
    return events.parse(
      await this.#get(`/operator/events?wait=20${cursor ? `&after=${encodeURIComponent(cursor)}` : ''}`, signal),
    );
  }
}
