import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.mjs';

const LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu'];

/** The system's sshd, or one unpacked from Debian's package into `directory` and not installed. Throws one sentence. */
export async function findSshd(directory) {
  const installed = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find((path) => existsSync(path));
  if (installed) return { path: installed, env: process.env };
  const root = join(directory, 'openssh');
  await mkdir(root);
  try {
    await run('apt-get', ['download', 'openssh-server', 'libwrap0'], { cwd: root });
    for (const file of await readdir(root))
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(root, file), root]);
  } catch (error) {
    throw new Error(`sshd is not installed and Debian's package of it could not be had (${error.message}).`);
  }
  const libraries = LIBRARIES.flatMap((name) => [join(root, 'lib', name), join(root, 'usr/lib', name)]);
  return { path: join(root, 'usr/sbin/sshd'), env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') } };
}
