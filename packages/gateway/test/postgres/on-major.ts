import { dirname } from 'node:path';
import { cacheDirectory, ensureRelease, offeredRelease } from '@borealis/postgres';
import { afterAll, describe, test } from 'vitest';

/** Where the programs of that major are. */
export async function programs(major: string): Promise<string> {
  const release = await ensureRelease({ version: offeredRelease(major).version, cacheDir: cacheDirectory() });
  return dirname(release.binary('postgres'));
}

/** Has these test files run on another major than the default one, in the full suite. */
export async function onMajor(major: string, ...files: (() => Promise<unknown>)[]): Promise<void> {
  const name = `on PostgreSQL ${major} (full)`;
  if (process.env.BOREALIS_TEST !== 'full') return test.skip(name, () => {});
  const before = process.env.BOREALIS_TEST_POSTGRES_BIN;
  process.env.BOREALIS_TEST_POSTGRES_BIN = await programs(major);
  afterAll(() => {
    if (before === undefined) delete process.env.BOREALIS_TEST_POSTGRES_BIN;
    else process.env.BOREALIS_TEST_POSTGRES_BIN = before;
  });
  for (const file of files)
    describe(name, async () => {
      await file();
    });
}
