import { isDeepStrictEqual } from 'node:util';
import { POSTGRES_BUILDS, POSTGRES_MAJORS } from '@borealis/contract';
import { z } from 'zod';
import type { ClusterState } from '../cluster/state.js';
import type { ClusterBackup } from './cluster-backup.js';

const ABOUT = 'about';

const about = z.object({
  format: z.literal(1),
  major: z.enum(POSTGRES_MAJORS),
  /** PostgreSQL's own number: a data directory runs on another release of the same major and build. */
  version: z.string(),
  build: z.enum(POSTGRES_BUILDS).default('npm'),
  databases: z.array(z.object({ name: z.string(), owner: z.string() })),
  roles: z.array(z.object({ name: z.string(), database: z.string() })),
});

/** What has to be known of a cluster to make it anew. Names only: no password, no verifier, no key. */
export type About = z.infer<typeof about>;

/** Keeps it in the store as it is now. */
export class BackupAbout {
  #put: About | null = null;

  constructor(
    private readonly state: ClusterState,
    private readonly backup: ClusterBackup,
  ) {}

  async put(): Promise<void> {
    const now = aboutOf(this.state);
    if (isDeepStrictEqual(now, this.#put)) return;
    await this.backup.put(ABOUT, text(JSON.stringify(now)));
    this.#put = now;
  }
}

/** Throws as `ClusterBackup.get`. */
export async function readAbout(backup: ClusterBackup): Promise<About> {
  return about.parse(JSON.parse(await backup.text(ABOUT)));
}

function aboutOf({ journal: { record } }: ClusterState): About {
  return {
    format: 1,
    major: record.spec.major,
    version: record.version,
    build: record.build,
    databases: (record.access?.databases ?? []).map(({ name, owner }) => ({ name, owner })),
    roles: (record.access?.roles ?? []).map(({ name, database }) => ({ name, database })),
  };
}

async function* text(content: string): AsyncGenerator<Buffer> {
  yield Buffer.from(content);
}
