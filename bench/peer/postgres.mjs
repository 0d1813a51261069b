import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_PLAN, findPlan } from '@borealis/contract';
import {
  cacheDirectory,
  connect,
  createDataDirectory,
  ensureRelease,
  offeredRelease,
  settingsFor,
  writeConfiguration,
} from '@borealis/postgres';
import { CertificateAuthority } from '../../packages/engine-local/dist/home/certificate-authority.js';
import { end, freePort, until } from '../run.mjs';
import { asUser } from './user.mjs';

/** The major that an add-on gets when it names none. */
export const MAJOR = '16';

const ACCESS = `local all borealis scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256
`;

async function specIn(root, user) {
  const socketDirectory = join(root, 's');
  await mkdir(socketDirectory);
  await chown(socketDirectory, user.uid, user.gid);
  return {
    release: await ensureRelease({ version: offeredRelease(MAJOR).version, cacheDir: cacheDirectory() }),
    dataDirectory: join(root, 'data'),
    socketDirectory,
    port: await freePort(),
    superuser: { name: 'borealis', password: randomBytes(16).toString('hex') },
    os: user,
    logFile: join(root, 'log'),
    settings: settingsFor(findPlan(DEFAULT_PLAN)),
    access: { method: /** @type {const} */ ('scram') },
  };
}

/** A certificate of the very kind that gateways have. */
async function writeCertificate(root, user) {
  const authority = await CertificateAuthority.open(root);
  const { certificate, privateKey } = await authority.issue('localhost', ['localhost', '127.0.0.1']);
  await writeFile(join(root, 'server.crt'), certificate);
  await writeFile(join(root, 'server.key'), privateKey.reveal(), { mode: 0o600 });
  await chown(join(root, 'server.key'), user.uid, user.gid);
}

/** The same release with the same settings, but on loopback TCP with its own TLS and passwords. */
export async function startPeerPostgres(root, user, cleanup) {
  const spec = await specIn(root, user);
  await writeCertificate(root, user);
  await createDataDirectory(spec);
  await writeConfiguration(spec);
  await writeFile(join(root, 'access'), ACCESS);
  const overrides = {
    listen_addresses: '127.0.0.1',
    hba_file: join(root, 'access'),
    ssl: 'on',
    ssl_cert_file: join(root, 'server.crt'),
    ssl_key_file: join(root, 'server.key'),
  };
  const args = Object.entries(overrides).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(spec.release.binary('postgres'), ['-D', spec.dataDirectory, ...args], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    stdio: 'ignore',
    ...asUser(user),
  });
  cleanup.add('The PostgreSQL of the peer', () => end(child, 'SIGINT'));
  const password = randomBytes(16).toString('hex');
  await makeDatabase(spec, child, password);
  return { target: `127.0.0.1:${spec.port}`, user: 'bench', password, database: 'bench' };
}

async function makeDatabase(spec, child, password) {
  const client = await until('the PostgreSQL of the peer', () => {
    if (child.exitCode !== null) throw new Error(`The PostgreSQL of the peer ended with ${child.exitCode}.`);
    return connect(spec).catch(() => null);
  });
  try {
    await client.query(`CREATE ROLE bench LOGIN PASSWORD '${password}'`);
    await client.query('CREATE DATABASE bench OWNER bench');
  } finally {
    await client.end();
  }
}
