import { randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeVerifier } from '../access/scram-verifier.js';
import { syncPath } from '../durable.js';
import { RunError, run } from '../run.js';
import { writeNew } from './configuration.js';
import { asServerUser, checkSpec, type ServerSpec } from './spec.js';

/**
 * Makes sure that the data directory is there, complete, with checksums, UTF-8 and the superuser; adopts one of the same
 * major. It appears under its name only when it is complete. One process at a time may call it for a directory.
 */
export async function createDataDirectory(spec: ServerSpec): Promise<void> {
  await placeDataDirectory(spec, (data) => initialize(spec, data));
}

/**
 * Makes sure that the data directory is there; adopts one of the same major. Otherwise `fill` makes it: given the path of a directory
 * to be, in one of its own, that gets its final name when it is complete and on disk. One process at a time may call it for a directory.
 */
export async function placeDataDirectory(spec: ServerSpec, fill: (data: string) => Promise<void>): Promise<void> {
  checkSpec(spec);
  const { dataDirectory } = spec;
  await removeHalfMade(dataDirectory);
  if (await isAdopted(spec)) return;
  const next = `${dataDirectory}.new-${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(next, { mode: 0o700 });
    await fill(join(next, 'data'));
    await rename(join(next, 'data'), dataDirectory);
    await syncPath(dirname(dataDirectory));
  } finally {
    await rm(next, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function isAdopted(spec: ServerSpec): Promise<boolean> {
  const file = join(spec.dataDirectory, 'PG_VERSION');
  const major = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (major === null) return false;
  if (major.trim() === spec.release.major) return true;
  throw new Error(`The data in "${spec.dataDirectory}" is of PostgreSQL ${major.trim()}, not ${spec.release.major}.`);
}

async function removeHalfMade(dataDirectory: string): Promise<void> {
  const parent = dirname(dataDirectory);
  const prefix = `${basename(dataDirectory)}.new-`;
  const left = (await readdir(parent)).filter((name) => name.startsWith(prefix));
  // The program that a killed caller started may still write there for a moment.
  await Promise.all(left.map((name) => rm(join(parent, name), { recursive: true, force: true, maxRetries: 5 })));
}

async function initialize(spec: ServerSpec, data: string): Promise<void> {
  const next = dirname(data);
  await mkdir(data, { mode: 0o700 });
  const secret = join(next, 'superuser');
  await writeNew(secret, `${await initialSecret(spec)}\n`, spec.os);
  if (spec.os && process.getuid?.() === 0) {
    await chown(data, spec.os.uid, spec.os.gid);
    await chown(next, spec.os.uid, spec.os.gid);
  }
  const args = ['-D', data, '-U', spec.superuser.name, `--pwfile=${secret}`, ...INITDB_OPTIONS];
  try {
    await run(spec.release.binary('initdb'), [...args, ...localeOptions()], asServerUser(spec.os));
  } catch (error) {
    throw new Error(`PostgreSQL could not make its data directory: ${reason(error)}.`, { cause: error });
  }
}

/** A verifier, so that the password itself never touches the disk; 13's initdb reads at most 99 characters, too few for one. */
async function initialSecret(spec: ServerSpec): Promise<string> {
  const { password } = spec.superuser;
  return Number(spec.release.major) >= 14 ? makeVerifier(password) : password;
}

const INITDB_OPTIONS = ['--auth-local=scram-sha-256', '--auth-host=reject', '--encoding=UTF8', '--data-checksums'];

/** Sorted by code point, which no update of a C library or ICU can ever change under an index. */
function localeOptions(): string[] {
  // macOS knows no C.UTF-8 as Linux does: there C sorts alike, and UTF-8 is its character classification.
  return process.platform === 'linux' ? ['--locale=C.UTF-8'] : ['--locale=C', '--lc-ctype=UTF-8'];
}

function reason(error: unknown): string {
  if (!(error instanceof RunError)) return (error as Error).message;
  const line = error.output.stderr.split('\n').find((text) => /error|fatal|could not/i.test(text));
  return line?.replace(/^initdb: (error: )?/, '') ?? error.message;
}
