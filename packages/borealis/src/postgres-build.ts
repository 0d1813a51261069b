import { POSTGRES_MAJORS } from '@borealis/contract';
import { systemVersion } from '@borealis/postgres';

/** The releases of PostgreSQL that this machine's package manager has installed, oldest major first. */
export async function systemReleases(): Promise<string[]> {
  const found = await Promise.all(POSTGRES_MAJORS.map((major) => systemVersion(major)));
  return found.filter((version) => version !== null);
}

/** Where new databases get their PostgreSQL from when it is to be the system's, in a sentence. */
export function describeBuild(installed: readonly string[]): string {
  if (installed.length === 0)
    return "There is no PostgreSQL in /usr/lib/postgresql: new databases run by npm's until there is (BOREALIS_POSTGRES_BUILD=system).";
  const list = installed.join(', ');
  return `New databases of these majors run by this system's PostgreSQL ${list}, those of others by npm's (BOREALIS_POSTGRES_BUILD=system).`;
}
