import { dirname } from 'node:path';
import { DEFAULT_POSTGRES_MAJOR } from '@borealis/contract';
import { cacheDirectory, ensureRelease, offeredRelease } from '@borealis/postgres';
import { serverUser } from '@borealis/postgres/testing';

/**
 * Packages that may not know where releases come from are told through the environment: which PostgreSQL to start, and as
 * whom when the tests run as root.
 */
export default async function setup(): Promise<void> {
  const { version } = offeredRelease(DEFAULT_POSTGRES_MAJOR);
  const release = await ensureRelease({ version, cacheDir: cacheDirectory() });
  process.env.BOREALIS_TEST_POSTGRES_BIN ??= dirname(release.binary('postgres'));
  process.env.BOREALIS_TEST_OS_USER ??= (await serverUser())?.name ?? '';
}
