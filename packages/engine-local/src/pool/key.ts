import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { lstat, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '@borealis/contract';
import { isSystemError, writeFileAtomic } from '../system/files.js';
import type { KeySource } from './pool.js';
import { PoolError } from './pool-error.js';

const SHORTEST = 16;
const LONGEST = 4096;
const TMPFS = 0x01021994;
const MEMORY = '/dev/shm';

/** How long one guess at a key takes: one of 256 random bits needs no slowing down. */
export const DERIVATION_MS = { random: 100, chosen: 2000 };

const COMMAND_SECONDS = 60;

/** Fetches the key from where it is kept. Throws a sentence, which never holds any of it, when it cannot be had or used. */
export async function readKey(source: KeySource): Promise<Secret<Buffer>> {
  const [bytes, where] =
    'file' in source
      ? [await readKeyFile(source.file), source.file]
      : [await runKeyCommand(source.command), "the key command's standard output"];
  // Editors and `echo` end a line; no key ends so.
  const key = bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
  if (key.length < SHORTEST || key.length > LONGEST)
    throw new PoolError(`The key in ${where} has ${key.length} bytes; ${SHORTEST} to ${LONGEST} are allowed.`);
  return new Secret(key);
}

/** Makes a key file with 256 random bits where there is none; true when it did. */
export async function ensureKeyFile(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return false;
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
  await writeFileAtomic(file, `${randomBytes(32).toString('base64')}\n`, 0o600).catch((error: Error) => {
    throw new PoolError(`The key file ${file} cannot be made: ${error.message}.`);
  });
  return true;
}

async function readKeyFile(file: string): Promise<Buffer> {
  try {
    const found = await lstat(file);
    if (!found.isFile()) throw new PoolError(`The key file ${file} must be a file.`);
    if ((found.mode & 0o777) !== 0o600 || found.uid !== process.getuid?.())
      throw new PoolError(`The key file ${file} must belong to you and have mode 0600: run "chmod 600 ${file}".`);
    return await readFile(file);
  } catch (error) {
    if (error instanceof PoolError) throw error;
    throw new PoolError(`The key file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

/** Its standard error goes to the terminal, and is all that is ever shown of it. */
function runKeyCommand(command: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: COMMAND_SECONDS * 1000,
      killSignal: 'SIGKILL',
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (status, signal) => {
      if (status === 0) resolve(Buffer.concat(chunks));
      else reject(new PoolError(`The key command ended with ${signal ?? `status ${status}`}: there is no key.`));
    });
  });
}

/**
 * Runs `use` with the descriptor of a file without a name, in memory, that holds the key: neither command lines nor
 * environments nor disks see it.
 */
export async function withKeyDescriptor<T>(key: Secret<Buffer>, use: (descriptor: number) => Promise<T>): Promise<T> {
  if ((await statfs(MEMORY).catch(() => null))?.type !== TMPFS)
    throw new PoolError(`The key cannot be handed over: ${MEMORY} must be a tmpfs.`);
  const file = join(MEMORY, `borealis-${randomBytes(8).toString('hex')}`);
  const descriptor = openSync(file, 'wx+', 0o600);
  try {
    unlinkSync(file);
    writeSync(descriptor, key.reveal());
    return await use(descriptor);
  } finally {
    // The daemon keeps the file open for life: nothing shall be in it.
    ftruncateSync(descriptor, 0);
    closeSync(descriptor);
  }
}

/** The same for several keys, in their order. */
export async function withKeyDescriptors<T>(
  [key, ...more]: readonly Secret<Buffer>[],
  use: (descriptors: readonly number[]) => Promise<T>,
): Promise<T> {
  if (!key) return use([]);
  return withKeyDescriptor(key, (first) => withKeyDescriptors(more, (others) => use([first, ...others])));
}
