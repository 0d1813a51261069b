import { z } from 'zod';
import type { HomePaths } from '../home/paths.js';
import { readIfPresent, writeFileAtomic } from '../system/files.js';
import { Mutex } from '../system/mutex.js';

/** By version: why it is not put in place by itself anywhere. */
const refused = z.record(z.string(), z.object({ reason: z.string(), at: z.iso.datetime() }));

const writing = new Mutex();

/** The releases of this home that failed a trial. */
export class RefusedReleases {
  constructor(private readonly paths: HomePaths) {}

  /** Why a release failed its trial; null when it did not. */
  async reason(version: string): Promise<string | null> {
    return (await this.#read())[version]?.reason ?? null;
  }

  async refuse(version: string, reason: string): Promise<void> {
    await writing.run(async () => {
      const all = { ...(await this.#read()), [version]: { reason, at: new Date().toISOString() } };
      await writeFileAtomic(this.paths.refusedReleases, `${JSON.stringify(all, null, 1)}\n`, 0o600);
    });
  }

  async #read(): Promise<z.infer<typeof refused>> {
    const text = await readIfPresent(this.paths.refusedReleases);
    return text === null ? {} : refused.parse(JSON.parse(text));
  }
}
