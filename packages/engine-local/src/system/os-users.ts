import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { OsUser } from '@borealis/postgres';
import { Mutex } from './mutex.js';
import { findProcesses } from './process-identity.js';
import { signal } from './termination.js';

const run = promisify(execFile);

/** The account files are locked while one tool runs: asking for two at once only makes one of them fail. */
const accounts = new Mutex();

/** Every user this package makes and removes is named like this; no other is ever touched. */
const OUR_USER = /^b(pg|gw)-[a-z0-9]{6}-[a-z0-9]{1,16}$/;

/** True where each cluster gets users of its own: as root on Linux. Elsewhere all is one trust domain. */
export function hasOsUsers(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0;
}

/** Looks the user up in the system's own account file. */
export async function findOsUser(name: string): Promise<OsUser | null> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { name, uid: Number(uid), gid: Number(gid) } : null;
}

/** Adopts or creates a system user with a group of the same name, no home and no shell. */
export async function ensureOsUser(name: string): Promise<OsUser> {
  assertOurs(name);
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'];
  return accounts.run(async () => {
    const found = await findOsUser(name);
    if (found) return found;
    // 9: somebody was faster, which may be our own predecessor's last child. A group may be left of a half-made user.
    await removeGroup(name);
    await tool('useradd', [...options, '--shell', '/usr/sbin/nologin', name], [9]);
    const made = await findOsUser(name);
    if (!made) throw new Error(`The system user ${name} could not be created.`);
    return made;
  });
}

/** Ends every process of the user, then removes the user and its group. Repeated calls are no error. */
export async function removeOsUser(name: string): Promise<void> {
  assertOurs(name);
  const user = await findOsUser(name);
  if (user) await killAllOf(user.uid);
  await accounts.run(async () => {
    await tool('userdel', [name], [6]);
    await removeGroup(name);
  });
}

/** Kills every process of a user that serves one cluster only; children that appear meanwhile included. */
export async function killAllOf(uid: number): Promise<void> {
  if (uid === 0 || uid === process.getuid?.()) throw new Error('BUG: refused to kill the processes of a shared user');
  const end = Date.now() + 30_000;
  for (;;) {
    const left = await findProcesses(uid, null);
    if (left.length === 0) return;
    if (Date.now() > end) throw new Error(`Processes of user ${uid} do not end, not even by SIGKILL.`);
    for (const identity of left) await signal(identity, 'SIGKILL');
    await sleep(20);
  }
}

async function removeGroup(name: string): Promise<void> {
  const groups = await readFile('/etc/group', 'utf8');
  if (groups.split('\n').some((entry) => entry.startsWith(`${name}:`))) await tool('groupdel', [name], [6]);
}

function assertOurs(name: string): void {
  if (!OUR_USER.test(name)) throw new Error(`BUG: ${name} is not a name of a cluster's user`);
}

/** Runs an account tool; `accepted` exit statuses mean that the wish is already fulfilled. */
async function tool(command: string, args: string[], accepted: number[]): Promise<void> {
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`, LC_ALL: 'C' };
  for (let attempt = 1; ; attempt++) {
    try {
      await run(command, args, { env });
      return;
    } catch (error) {
      const { code, stderr } = error as { code?: unknown; stderr?: string };
      if (accepted.includes(Number(code))) return;
      // 1 and 10: the account files are locked or cannot be written just now.
      if ((code !== 1 && code !== 10) || attempt === 20)
        throw new Error(`${command} failed: ${stderr?.trim() || String(code)}`, { cause: error });
      await sleep(250);
    }
  }
}
