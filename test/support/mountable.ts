import { execFileSync } from 'node:child_process';

/** True where a test can have a small disk of its own, to be filled: only root can, and not in every container. */
export function mountable(): boolean {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}
