import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';

/**
 * Who runs the peer: this user, or as root `daemon`, which every Debian has, since PostgreSQL refuses to be root. An
 * ordinary user's sshd lets that user in and needs no account of its own.
 */
export async function peerUser() {
  const { username, uid, gid } = userInfo();
  if (uid !== 0) return { name: username, uid, gid };
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('daemon:'));
  if (!line) throw new Error('As root the peer runs as the user "daemon", which this system does not have.');
  const [name, , id, group] = line.split(':');
  return { name, uid: Number(id), gid: Number(group) };
}

/** What `spawn` needs to run a program as that user. */
export function asUser({ uid, gid }) {
  return process.getuid() === 0 ? { uid, gid } : {};
}
