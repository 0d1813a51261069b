import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, cp, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { closedParent } from '../home/home.js';
import { isSystemError, syncDirectory } from '../system/files.js';
import { hasOsUsers } from '../system/os-users.js';

/** What is run as a gateway: a Node binary and a script that every gateway's user can read. */
export interface GatewayProgram {
  node: string;
  script: string;
}

/**
 * Copies the bundle into the home's releases under the hash of its content, so that neither a rebuild nor an upgrade changes
 * the files under a running gateway; adopts a copy that is there.
 */
export async function installGatewayProgram(bundle: string, releases: string): Promise<GatewayProgram> {
  const files = await readdir(bundle).catch((): string[] => []);
  if (!files.includes('gateway.cjs'))
    throw new Error(`${bundle} holds no gateway.cjs; build the gateway's bundle first.`);
  const target = join(releases, `gateway-${await contentHash(bundle, files)}`);
  if (!(await exists(target))) await install(target, (temporary) => copyReadable(bundle, files, temporary));
  return { node: await installNode(releases), script: join(target, 'gateway.cjs') };
}

async function contentHash(bundle: string, files: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files.toSorted()) {
    const content = await readFile(join(bundle, file));
    hash.update(`${file} ${content.length}\n`).update(content);
  }
  return hash.digest('hex').slice(0, 16);
}

async function copyReadable(bundle: string, files: string[], target: string): Promise<void> {
  for (const file of files) {
    await cp(join(bundle, file), join(target, file), { dereference: true });
    await chmod(join(target, file), 0o644);
  }
}

/** Our own Node, or a copy of it where other users cannot reach it: below /root, as some version managers put it. */
async function installNode(releases: string): Promise<string> {
  const { mode, size } = await stat(process.execPath);
  const reachable = (mode & 0o005) === 0o005 && (await closedParent(process.execPath)) === null;
  if (!hasOsUsers() || reachable) return process.execPath;
  const target = join(releases, `node-${process.version}-${size}`);
  if (!(await exists(target)))
    await install(target, async (temporary) => {
      await copyFile(process.execPath, join(temporary, 'node'), constants.COPYFILE_FICLONE);
      await chmod(join(temporary, 'node'), 0o755);
    });
  return join(target, 'node');
}

async function syncFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const file = await open(join(directory, name), 'r');
    await file.sync().finally(() => file.close());
  }
  await syncDirectory(directory);
}

/** Fills a temporary directory and gives it its name at once: a half copy is never taken for a whole one. */
async function install(target: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await mkdir(temporary);
    await chmod(temporary, hasOsUsers() ? 0o755 : 0o700);
    await fill(temporary);
    // Without it a loss of power leaves files with a name and no content, which would be adopted for ever.
    await syncFiles(temporary);
    await rename(temporary, target);
    await syncDirectory(dirname(target));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Somebody else installed the same content meanwhile.
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
