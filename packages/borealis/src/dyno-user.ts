import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Failure } from './failure.js';

/** The operating-system user that dynos run as when Borealis itself runs as root. */
export const DYNO_USER = 'borealis-dyno';

/** Its numbers, from the user database; null when there is no such user. */
function lookUp(): { uid: number; gid: number } | null {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${DYNO_USER}:`));
  if (!line) return null;
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

/** As root on Linux: adopts or makes the dynos' user. Otherwise null: a dyno runs as whoever started it. */
export function ensureDynoUser(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return null;
  const known = lookUp();
  if (known) return known;
  const made = spawnSync('useradd', ['--system', '--no-create-home', '--shell', '/bin/bash', DYNO_USER], {
    encoding: 'utf8',
  });
  const user = lookUp();
  if (user) return user;
  throw new Failure(
    `The user ${DYNO_USER} for dynos could not be made: ${made.stderr?.trim() || made.error?.message || 'useradd failed'}.`,
  );
}
