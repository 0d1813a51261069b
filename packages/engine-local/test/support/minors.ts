import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MinorUpgrade } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import { cacheDirectory, ensureRelease, offeredRelease } from '@borealis/postgres';
import { eventually } from './home.js';

/** Two releases of one major. */
export const NEWER = offeredRelease('16').version;
export const OLDER = '16.13';

/** A cache with both of them, in which a test may put something else in the place of one. */
export async function cacheOfBoth(directory: string): Promise<string> {
  const cacheDir = join(directory, 'cache');
  await mkdir(cacheDir, { mode: 0o755 });
  for (const version of [NEWER, OLDER]) {
    const { root } = await ensureRelease({ version, cacheDir: cacheDirectory() });
    await symlink(root, releaseIn(cacheDir, version));
  }
  return cacheDir;
}

export const releaseIn = (cacheDir: string, version: string) => join(cacheDir, `postgresql-${version}-npm`);

/** Puts programs that tell the right version and do not start in the place of a release; gives what takes them away again. */
export async function breakRelease(cacheDir: string, broken: string): Promise<() => Promise<void>> {
  const root = releaseIn(cacheDir, broken);
  await rename(root, `${root}.good`);
  await mkdir(join(root, 'bin'), { recursive: true, mode: 0o755 });
  const manifest = { version: broken, family: 'npm', programs: 'bin', origin: 'a test' };
  await writeFile(join(root, 'release.json'), JSON.stringify(manifest));
  await writeFile(join(root, 'bin', 'postgres'), '#!/bin/sh\necho "FATAL:  it is broken" >&2\nexit 1\n');
  await chmod(join(root, 'bin', 'postgres'), 0o755);
  return async () => {
    await rm(root, { recursive: true });
    await rename(`${root}.good`, root);
  };
}

/** Puts a server that never does anything in the place of a release's, which is itself but for that; gives what takes it away again. */
export async function hangRelease(cacheDir: string, hanging: string): Promise<() => Promise<void>> {
  const root = releaseIn(cacheDir, hanging);
  const good = `${root}.good`;
  await rename(root, good);
  await mkdir(join(root, 'bin'), { recursive: true, mode: 0o755 });
  for (const name of await readdir(good)) if (name !== 'bin') await symlink(join(good, name), join(root, name));
  for (const name of await readdir(join(good, 'bin')))
    if (name !== 'postgres') await symlink(join(good, 'bin', name), join(root, 'bin', name));
  await writeFile(join(root, 'bin', 'postgres'), '#!/bin/sh\nwhile :; do sleep 1; done\n', { mode: 0o755 });
  return async () => {
    await rm(root, { recursive: true });
    await rename(good, root);
  };
}

export interface Asked {
  /** Another one for each attempt. */
  request: string;
  version: string | null;
  force?: boolean;
  patienceSeconds?: number;
}

/** What comes of an upgrade, whatever keeper answers meanwhile. */
export function outcomeOf(engine: () => Engine, id: string, asked: Asked): Promise<MinorUpgrade> {
  return eventually('the end of the upgrade', async () => {
    const answer = await engine()
      .upgradeMinor(id, { force: false, patienceSeconds: 60, ...asked })
      .catch((error: { code?: string; retryable?: boolean }) => {
        if (!error.retryable) throw error;
        return null;
      });
    return answer?.state === 'running' ? null : answer;
  });
}
