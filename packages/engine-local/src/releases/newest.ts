import type { PostgresBuild, PostgresMajor } from '@borealis/contract';
import { isCached, majorOf, offeredRelease, pinnedRelease, ReleaseError, systemVersion } from '@borealis/postgres';
import type { KeeperOptions } from '../options.js';

/** The build that a new cluster of that major gets: the system's where that is wanted and there. */
export async function buildForNew(options: KeeperOptions, major: PostgresMajor): Promise<PostgresBuild> {
  if (options.postgresBuild !== 'system') return 'npm';
  return (await systemVersion(major, options.systemRoot)) === null ? 'npm' : 'system';
}

/** The newest release of a major that there is of a build; throws `unsupported` when there is none. */
export async function newestRelease(
  { systemRoot }: KeeperOptions,
  build: PostgresBuild,
  major: PostgresMajor,
): Promise<string> {
  if (build === 'npm') return offeredRelease(major).version;
  const installed = await systemVersion(major, systemRoot);
  if (installed !== null) return installed;
  throw new ReleaseError(
    'unsupported',
    `This system has no PostgreSQL ${major}, and the cluster runs by the system's.`,
  );
}

/** Throws `unsupported` unless the build has the release of exactly that version, or had it: what was copied of the system stays. */
export async function requireRelease(options: KeeperOptions, build: PostgresBuild, version: string): Promise<void> {
  if (build === 'npm') {
    pinnedRelease(version);
    return;
  }
  const installed = await systemVersion(majorOf(version), options.systemRoot);
  if (installed === version || (await isCached(version, options.cacheDir, 'system'))) return;
  const found = installed === null ? `no PostgreSQL ${majorOf(version)}` : `PostgreSQL ${installed}`;
  throw new ReleaseError('unsupported', `PostgreSQL ${version} is not offered; this system has ${found}.`);
}
