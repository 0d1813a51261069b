import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPeerPostgres } from './postgres.mjs';
import { startSshd } from './sshd.mjs';
import { peerUser } from './user.mjs';

/** What people build without us: OpenSSH's sshd in front of PostgreSQL with TLS. Gone when `cleanup` runs. */
export async function startPeer(cleanup) {
  const root = await mkdtemp(join(tmpdir(), 'bp-'));
  await chmod(root, 0o755); // the peer's user passes through
  cleanup.add('The directory of the peer', () => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  const user = await peerUser();
  const postgres = await startPeerPostgres(root, user, cleanup);
  const { version, ...door } = await startSshd(root, user, cleanup);
  return { version, endpoint: { ...door, ...postgres, name: 'sshd' } };
}
