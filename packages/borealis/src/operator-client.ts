import { type EventType, formatEvent } from '@borealis/contract';
import { z } from 'zod';
import { Failure } from './failure.js';

const addons = z.array(z.looseObject({ id: z.string(), name: z.string(), sentence: z.string().nullable() }));
const events = z.looseObject({
  events: z.array(
    z.looseObject({
      at: z.string(),
      addonName: z.string().nullable(),
      type: z.string(),
      attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    }),
  ),
  cursor: z.string().nullable(),
});

/** The service's operator surface, as `borealis` uses it. */
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

  /** Renews the credentials of the app of an add-on, given by name or id; throws a `Failure` with the service's reason. */
  async rotate(nameOrId: string): Promise<void> {
    const all = addons.parse(await this.#get('/operator/addons'));
    const found = all.filter(({ id, name }) => id === nameOrId || name === nameOrId);
    if (found.length !== 1)
      throw new Failure(
        found.length === 0
          ? `There is no add-on "${nameOrId}".`
          : `Several add-ons are named "${nameOrId}": give the id of one, ${found.map(({ id }) => id).join(' or ')}.`,
      );
    const response = await fetch(`${this.#url}/operator/addons/${found[0]!.id}/rotate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}` },
    });
    if (!response.ok) throw new Failure(((await response.json()) as { message: string }).message);
  }

  /** Events after the cursor as lines (null: from now on); waits up to 20 seconds for the first. */
  async events(cursor: string | null, signal: AbortSignal): Promise<{ lines: string[]; cursor: string | null }> {
    const after = cursor ? `&after=${encodeURIComponent(cursor)}` : '';
    const answer = events.parse(await this.#get(`/operator/events?wait=20${after}`, signal));
    const lines = answer.events.map(
      ({ at, addonName, type, attributes }) =>
        `${at} ${formatEvent(addonName ?? 'borealis', type as EventType, attributes)}`,
    );
    return { lines, cursor: answer.cursor };
  }
}
