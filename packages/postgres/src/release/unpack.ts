import { chmod, lstat, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { RunError, run } from '../run.js';
import { ReleaseError } from './release-error.js';

/** Unpacks the programs of a checked package into `root` (made here), with their symbolic links. */
export async function unpackPackage(tarball: string, root: string): Promise<void> {
  await mkdir(root);
  try {
    await run('tar', ['-xzf', tarball, '-C', root, '--no-same-owner', '--strip-components=2', 'package/native']);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    throw new ReleaseError('unavailable', `PostgreSQL could not be unpacked: ${error.message}.`, { cause: error });
  }
  await restoreLinks(root);
}

/**
 * npm packages cannot hold symbolic links, so this one lists them in a file: pairs of an existing `source` and the
 * `target` that shall point to it, both below `native/`.
 */
async function restoreLinks(root: string): Promise<void> {
  const links = JSON.parse(await readFile(join(root, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const [from, to] = [insideNative(source), insideNative(target)];
    await symlink(relative(dirname(to), from), join(root, to));
  }
}

function insideNative(path: string): string {
  const inside = relative('native', normalize(path));
  if (inside === '' || inside.startsWith('..')) {
    throw new ReleaseError('corrupt', `The PostgreSQL package links to "${path}", outside of itself.`);
  }
  return inside;
}

/** Lets every user read and run what is below `directory`, and only its owner change it, whatever the umask was. */
export async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, (await lstat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}
