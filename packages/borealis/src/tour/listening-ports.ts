import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Inodes of sockets in state LISTEN, with their ports. */
function listeningSockets(): Map<string, number> {
  const sockets = new Map<string, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === '0A') sockets.set(fields[9]!, Number.parseInt(fields[1]!.split(':')[1]!, 16));
    }
  }
  return sockets;
}

function socketInodes(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`));
      return match ? [match[1]!] : [];
    } catch {
      return [];
    }
  });
}

function fromLsof(pids: readonly number[]): number[] {
  const out =
    spawnSync('lsof', ['-nP', '-a', '-iTCP', '-sTCP:LISTEN', '-Fn', '-p', pids.join(',')], { encoding: 'utf8' })
      .stdout ?? '';
  return [...out.matchAll(/^n.*:(\d+)$/gm)].map((match) => Number(match[1]));
}

/** TCP ports that any of these processes listens on, as the kernel tells it (Linux), or `lsof` (macOS). */
export function listeningPorts(pids: readonly number[]): number[] {
  if (process.platform !== 'linux') return fromLsof(pids);
  const sockets = listeningSockets();
  return pids.flatMap((pid) => socketInodes(pid).flatMap((inode) => sockets.get(inode) ?? []));
}

/** Process numbers of every PostgreSQL server whose data directory lies below `directory`. */
export function serverPids(directory: string): number[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('/postmaster.pid'))
    .map((path) => Number(readFileSync(`${directory}/${path}`, 'utf8').split('\n')[0]));
}
