import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { withoutStoreAccess } from '../environment.js';
import { RunError, run } from '../run.js';
import type { ReleasePin } from './offers.js';
import { ReleaseError } from './release-error.js';

/** Fetches a pinned package with the user's own npm into `directory`; returns the tarball's path, not yet checked. */
export async function fetchPackage(pin: ReleasePin, directory: string): Promise<string> {
  const wanted = `${pin.packageName}@${pin.packageVersion}`;
  try {
    const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', directory, wanted];
    await run('npm', args, { cwd: directory, env: npmEnvironment() });
  } catch (error) {
    throw fetchError(pin, error);
  }
  const tarball = (await readdir(directory)).find((name) => name.endsWith('.tgz'));
  if (!tarball) throw new ReleaseError('unavailable', `npm fetched ${wanted} but left no file.`);
  return join(directory, tarball);
}

// Under `npm test` npm hands its own command-line options down; those that change what `pack` does are left out.
const OPTIONS_OF_THE_CALLER =
  /^npm_config_(workspaces?|include_workspace_root|dry_run|json|silent|prefix|global|pack_destination|offline)$/i;

function npmEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(withoutStoreAccess()).filter(([name]) => !OPTIONS_OF_THE_CALLER.test(name)));
}

function fetchError(pin: ReleasePin, error: unknown): ReleaseError {
  if (!(error instanceof RunError)) throw error;
  const what = `PostgreSQL ${pin.version}`;
  if (error.missing) {
    return new ReleaseError('unavailable', `${what} is fetched with npm, and npm is not installed.`, { cause: error });
  }
  const code = /npm error code (\w+)/.exec(error.output.stderr)?.[1] ?? 'unknown';
  const offline = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)$/;
  const why = offline.test(code)
    ? 'npm cannot reach its registry'
    : code === 'ENOSPC'
      ? 'the disk is full'
      : `npm failed with ${code}`;
  return new ReleaseError('unavailable', `${what} could not be fetched: ${why}.`, { cause: error });
}

/** Throws `corrupt` unless the file's hash is `integrity` (`sha512-<base64>`). */
export async function checkIntegrity(file: string, integrity: string): Promise<void> {
  const hash = createHash('sha512');
  await pipeline(createReadStream(file), hash);
  if (`sha512-${hash.digest('base64')}` === integrity) return;
  throw new ReleaseError('corrupt', 'The fetched PostgreSQL package is not the one this version was released with.');
}
