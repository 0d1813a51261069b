import { randomBytes } from 'node:crypto';
import { constants, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncPath } from '../durable.js';
import { hostBasedAccess, userMaps } from './access-files.js';
import { serverSettings } from './settings.js';
import { checkSpec, type OsUser, type ServerSpec } from './spec.js';

const HEADER = '# Written by Borealis; changes made here are lost.\n';

/**
 * Writes postgresql.conf, pg_hba.conf and pg_ident.conf, each atomically; true when one of them changed.
 * A running server takes them over with `reload`, some settings only with a restart.
 */
export async function writeConfiguration(spec: ServerSpec): Promise<boolean> {
  checkSpec(spec);
  const files = {
    'postgresql.conf': HEADER + renderSettings(serverSettings(spec)),
    // First the map, then the rules that use it: a server that reloads in between lets nobody in too many.
    'pg_ident.conf': HEADER + userMaps(spec),
    'pg_hba.conf': HEADER + hostBasedAccess(spec),
  };
  let changed = false;
  for (const [name, text] of Object.entries(files)) {
    if (await replaceFile(join(spec.dataDirectory, name), text, spec.os)) changed = true;
  }
  return changed;
}

function renderSettings(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${quoteSetting(name, value)}\n`)
    .join('');
}

function quoteSetting(name: string, value: string): string {
  if (!/^[a-z_]+(\.[a-z_]+)?$/.test(name)) throw new Error(`"${name}" is not the name of a PostgreSQL setting.`);
  if (/[\n\r\0]/.test(value)) throw new Error(`The PostgreSQL setting ${name} must be a single line.`);
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** Makes a file of PostgreSQL's user hold `text`, never half of it, also after a power loss; false when it did already. */
export async function replaceFile(path: string, text: string, os: OsUser | null): Promise<boolean> {
  if ((await readFile(path, 'utf8').catch(() => null)) === text) return false;
  const next = `${path}.${randomBytes(6).toString('hex')}`;
  await writeNew(next, text, os);
  try {
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
  await syncPath(dirname(path));
  return true;
}

/** Writes a file that must not exist yet. The directory may be another user's, so links in it are never followed. */
export async function writeNew(path: string, text: string, os: OsUser | null): Promise<void> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    if (os && process.getuid?.() === 0) await handle.chown(os.uid, os.gid);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
