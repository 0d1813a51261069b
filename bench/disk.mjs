import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.mjs';

/** Files given to one program at a time. */
const AT_ONCE = 200;

/** Bytes that are taken on the file system of a directory. */
export async function takenBytes(directory) {
  // What was removed is given back in the file system's own time.
  await run('sync', ['--file-system', directory]);
  const { blocks, bfree, bsize } = await statfs(directory);
  return (blocks - bfree) * bsize;
}

/** Bytes that the files below a directory take, each counted whole whatever it shares; directories of the name `except` are left out. */
export async function countedBytes(directory, except) {
  const output = await run('du', ['--summarize', '--block-size=1', `--exclude=${except}`, directory]);
  return Number(output.split('\t')[0]);
}

/** All files below a directory. */
export async function filesBelow(directory) {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** How many pieces, each in one place of the disk, these files consist of. */
export async function countExtents(files) {
  let count = 0;
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const output = await run('filefrag', files.slice(at, at + AT_ONCE));
    for (const [, extents] of output.matchAll(/: (\d+) extents? found$/gm)) count += Number(extents);
  }
  return count;
}

/** Makes the next reader of these files read them from the disk. */
export async function forgetCached(files) {
  for (const file of files) await run('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
}
