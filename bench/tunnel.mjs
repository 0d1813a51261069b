import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { end, freePort, isListening, until } from './run.mjs';

/** The same for both sides, and what the buildpack uses; without it the peer would run at its slower default cipher. */
const CIPHERS = 'aes128-gcm@openssh.com,aes256-gcm@openssh.com';

/** Writes the files that the machine's own `ssh` needs for an endpoint and adds its options as `sshArgs`. */
export async function prepareSsh(endpoint, cleanup) {
  const directory = await mkdtemp(join(tmpdir(), 'bs-'));
  cleanup.add('The files of the ssh client', () => rm(directory, { recursive: true, force: true }));
  const key = join(directory, 'key');
  await writeFile(key, `${endpoint.privateKey.trimEnd()}\n`, { mode: 0o600 });
  const known = join(directory, 'known_hosts');
  await writeFile(known, `${endpoint.name} ${endpoint.hostKey}\n`);
  const options = {
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    HostKeyAlias: endpoint.name,
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: known,
    GlobalKnownHostsFile: '/dev/null',
    ExitOnForwardFailure: 'yes',
    Ciphers: CIPHERS,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const sshArgs = ['-F', 'none', '-i', key, ...flags, '-p', String(endpoint.port)];
  return { ...endpoint, sshArgs, login: `${endpoint.username}@${endpoint.host}` };
}

/** Starts `ssh -N -L`, or with `subsystem` the same with a session beside the forwarding. It may not listen yet. */
export async function startSsh({ sshArgs, login, target, subsystem }, extra = []) {
  const port = await freePort();
  const forward = ['-L', `127.0.0.1:${port}:${target}`, ...sshArgs, ...extra];
  const args = subsystem ? [...forward, '-s', login, subsystem] : ['-N', ...forward, login];
  // The session ends with its input, so that stays open.
  const child = spawn('ssh', args, { stdio: ['pipe', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-1000);
  });
  const check = () => {
    if (child.exitCode !== null) throw new Error(`ssh ended with ${child.exitCode}: ${errors.trim()}`);
  };
  return { port, check, close: () => end(child) };
}

/** Opens a tunnel; resolves when its local port listens. */
export async function openTunnel(endpoint, extra) {
  const tunnel = await startSsh(endpoint, extra);
  await until('the tunnel', () => {
    tunnel.check();
    return isListening(tunnel.port);
  });
  return tunnel;
}

/** A connection through a tunnel's local port, tried until the port listens. */
export async function connectThrough(endpoint, tunnel) {
  const { user, password, database } = endpoint;
  for (;;) {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: tunnel.port,
      user,
      password,
      database,
      ssl: { rejectUnauthorized: false }, // what sslmode=require means
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (error.code !== 'ECONNREFUSED') throw error;
      tunnel.check();
      await sleep(3);
    }
  }
}

/** What libpq's programs read to go through a tunnel. */
export function libpqEnvironment(endpoint, tunnel) {
  return {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(tunnel.port),
    PGUSER: endpoint.user,
    PGPASSWORD: endpoint.password,
    PGDATABASE: endpoint.database,
    PGSSLMODE: 'require',
  };
}
