import type { RefusedRelease } from '@borealis/engine';
import { z } from 'zod';
import type { HomePaths } from '../home/paths.js';
import { readIfPresent, writeFileAtomic } from '../system/files.js';
import { Mutex } from '../system/mutex.js';

/** By version: why it is not put in place by itself anywhere. */
const refused = z.record(z.string(), z.object({ reason: z.string(), at: z.iso.datetime() }));

const writing = new Mutex();

/** The releases of this home that failed where the one before them does not. */
export class RefusedReleases {
  constructor(private readonly paths: HomePaths) {}

  async all(): Promise<RefusedRelease[]> {
    return Object.entries(await this.#read()).map(([version, { reason, at }]) => ({ version, reason, at }));
  }

  /** Why a release is refused; null when it is not. */
  async reason(version: string): Promise<string | null> {
    return (await this.#read())[version]?.reason ?? null;
  }

  async refuse(version: string, reason: string): Promise<void> {
    await this.#change((all) => ({ ...all, [version]: { reason, at: new Date().toISOString() } }));
  }

  async allow(version: string): Promise<void> {
    await this.#change(({ [version]: _, ...others }) => others);
  }

  async #change(change: (all: z.infer<typeof refused>) => z.infer<typeof refused>): Promise<void> {
    await writing.run(async () => {
      const all = change(await this.#read());
      await writeFileAtomic(this.paths.refusedReleases, `${JSON.stringify(all, null, 1)}\n`, 0o600);
    });
  }

  async #read(): Promise<z.infer<typeof refused>> {
    const text = await readIfPresent(this.paths.refusedReleases);
    return text === null ? {} : refused.parse(JSON.parse(text));
  }
}
