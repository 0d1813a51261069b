import { chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { applyRoles, type WantedAccess } from './access/apply-roles.js';
import { ensureRelease } from './release/cache.js';
import { offeredRelease } from './release/offers.js';
import { cacheDirectory } from './release/platform.js';
import { run } from './run.js';
import { writeConfiguration } from './server/configuration.js';
import { connect } from './server/connection.js';
import { createDataDirectory } from './server/data-directory.js';
import { findServer, type ServerIdentity } from './server/identity.js';
import { reload } from './server/reload.js';
import { settingsFor } from './server/settings.js';
import type { OsUser, ServerAccess, ServerSpec } from './server/spec.js';
import { startServer } from './server/start.js';
import { stopServer } from './server/stop.js';

/** A running server that is gone after `remove`. */
export interface TemporaryServer {
  spec: ServerSpec;
  identity: ServerIdentity;
  /** Applies databases and roles, and the files that name them. */
  setAccess(wanted: WantedAccess): Promise<void>;
  remove(): Promise<void>;
}

export interface TemporaryOptions {
  /** Default: peer for this process's own user, so that a test logs in as any tenant's role without a password. */
  access?: ServerAccess;
  settings?: Record<string, string>;
  privateMemoryMiB?: number;
  /** True: with a spool beside the data directory. */
  archiving?: boolean;
}

/** A server of that major in a temporary directory, without fsync. As root it runs as another OS user. */
export async function temporaryServer(major: string, options: TemporaryOptions = {}): Promise<TemporaryServer> {
  const spec = await temporarySpec(major, options);
  let identity: ServerIdentity;
  try {
    await createDataDirectory(spec);
    await writeConfiguration(spec);
    identity = await startServer(spec);
  } catch (error) {
    await removeServer(spec);
    throw error;
  }
  return {
    spec,
    identity,
    setAccess: (wanted) => setAccess(spec, wanted),
    remove: () => removeServer(spec),
  };
}

/** What `temporaryServer` starts: its directories are there, and nothing else yet. */
export async function temporarySpec(major: string, options: TemporaryOptions = {}): Promise<ServerSpec> {
  const { version } = offeredRelease(major);
  const release = await ensureRelease({ version, cacheDir: cacheDirectory() });
  const os = await serverUser();
  const root = await mkdtemp(join(tmpdir(), 'bpg-'));
  // Other users pass through to the socket; the data directory has a mode of its own.
  await chmod(root, 0o755);
  const socketDirectory = join(root, 's');
  await mkdir(socketDirectory);
  const walSpool = join(root, 'wal-spool');
  await mkdir(walSpool, { mode: 0o700 });
  if (os) for (const path of [socketDirectory, walSpool]) await chown(path, os.uid, os.gid);
  return {
    release,
    dataDirectory: join(root, 'data'),
    socketDirectory,
    port: 5432,
    superuser: { name: 'borealis', password: 'superuser-of-a-test' },
    os,
    logFile: join(root, 'log'),
    settings: { ...settingsFor({ memoryGiB: 1, vcpu: 1 }), fsync: 'off', ...options.settings },
    ...(options.privateMemoryMiB === undefined ? {} : { privateMemoryMiB: options.privateMemoryMiB }),
    ...(options.archiving ? { walSpool } : {}),
    access: options.access ?? { method: 'peer', gatewayOsUser: userInfo().username, roles: [] },
  };
}

async function setAccess(spec: ServerSpec, wanted: WantedAccess): Promise<void> {
  if (spec.access.method === 'peer') spec.access = { ...spec.access, roles: wanted.roles.map(({ name }) => name) };
  await applyRoles((database) => connect(spec, database), wanted);
  if (await writeConfiguration(spec)) await reload(spec);
}

/** Ends the server of a temporary spec, if it runs, and removes all of it. */
export async function removeServer(spec: ServerSpec): Promise<void> {
  const running = await findServer(spec);
  if (running) await stopServer(running, { mode: 'immediate', seconds: 5 });
  await rm(join(spec.dataDirectory, '..'), { recursive: true, force: true, maxRetries: 3 });
}

/** Null for an ordinary user; as root an OS user that is not root, made when the system has none that fits. */
export async function serverUser(): Promise<OsUser | null> {
  if (process.getuid?.() !== 0) return null;
  for (const name of ['postgres', 'borealis-test']) {
    const found = await findUser(name);
    if (found) return found;
  }
  // Another test may make it at the same time.
  await run('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'borealis-test']).catch(
    () => {},
  );
  const made = await findUser('borealis-test');
  if (!made) throw new Error('As root, tests need an OS user for PostgreSQL, and "borealis-test" could not be made.');
  return made;
}

async function findUser(name: string): Promise<OsUser | null> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((text) => text.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { name, uid: Number(uid), gid: Number(gid) } : null;
}
