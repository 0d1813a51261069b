import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GatewayDirectory, type Key } from './support/gateway-directory.js';
import { GatewayProcess } from './support/gateway-process.js';
import { hasSsh, OpenSsh, through } from './support/openssh.js';

// What external services connect with: their own key of any type, and the values that registering an integration prints.
const USER = 'di-warehouse-0a1b2c';
const TYPES = ['ed25519', 'ecdsa-256', 'ecdsa-384', 'ecdsa-521', 'rsa-2048', 'rsa-4096'] as const;
const PARAMIKO = path.resolve(import.meta.dirname, 'support/paramiko-tunnel.py');
/** Debian's own Python has the library where another one that comes first may not. */
const python = ['/usr/bin/python3', 'python3'].find((one) => spawnSync(one, ['-c', 'import paramiko']).status === 0);

let directory: GatewayDirectory;
let gateway: GatewayProcess;
const keys = new Map<string, Key>();
let sockets = 0;

beforeAll(async () => {
  if (!hasSsh) return;
  directory = new GatewayDirectory();
  for (const name of TYPES) keys.set(name, keyFromSshKeygen(name));
  const integration = directory.user(USER, [...keys.values()], 'integration');
  directory.change({ tunnelUsers: [...directory.config.tunnelUsers, integration] });
  gateway = await GatewayProcess.start(directory.path);
});

afterAll(async () => {
  if (!hasSsh) return;
  await gateway.destroy();
  directory.remove();
});

function keyFromSshKeygen(name: (typeof TYPES)[number]): Key {
  const [type, bits] = name.split('-');
  const file = path.join(directory.path, `di-${name}`);
  execFileSync('ssh-keygen', ['-q', '-N', '', '-t', type!, ...(bits ? ['-b', bits] : []), '-f', file]);
  return { private: readFileSync(file, 'utf8'), public: readFileSync(`${file}.pub`, 'utf8').trim(), file };
}

/** Opens a tunnel by stock `ssh -N -L`, sends something through, and gives what ssh said. */
async function byOpenSsh(type: string, options: string[] = []): Promise<string> {
  const local = path.join(directory.path, `s${sockets++}`);
  const args = ['-v', '-N', ...options, '-L', `${local}:primary.test:5432`];
  const client = new OpenSsh(directory, gateway.port, args, { user: USER, key: keys.get(type)! });
  try {
    await client.ready(local);
    expect(await through(local, 'hello')).toBe('hello');
    return client.stderr;
  } finally {
    await client.stop();
  }
}

describe.skipIf(!hasSsh)('ssh -N -L of an integration (needs the ssh command)', () => {
  test.each(TYPES)('works with %s', async (type) => {
    const said = await byOpenSsh(type);
    expect(said).toMatch(/server-sig-algs=<ssh-ed25519,(ecdsa-sha2-nistp\d+,){3}rsa-sha2-512,rsa-sha2-256>/);
    expect(gateway.events()).toContainEqual(
      expect.objectContaining({ type: 'tunnel-created', username: USER, kind: 'integration' }),
    );
  });

  test.each(['rsa-sha2-256', 'rsa-sha2-512'])('signs by %s where that is all the client may', async (algorithm) => {
    await byOpenSsh('rsa-2048', ['-o', `PubkeyAcceptedAlgorithms=${algorithm}`]);
  });

  test('is refused where the client may sign by SHA-1 alone', async () => {
    const args = ['-N', '-o', 'PubkeyAcceptedAlgorithms=ssh-rsa'];
    const client = new OpenSsh(directory, gateway.port, args, { user: USER, key: keys.get('rsa-2048')! });
    expect(await client.ended()).toBe(255);
    expect(client.stderr).toContain('Permission denied (publickey)');
  });
});

describe.skipIf(!python || !hasSsh)('paramiko (needs python3-paramiko and ssh-keygen)', () => {
  test.each(TYPES)('works with %s', (type) => {
    const hostKey = directory.hostKeys[0]!.public.split(' ')[1]!;
    const args = [PARAMIKO, `${gateway.port}`, USER, keys.get(type)!.file, hostKey];
    const text = Buffer.from('what an integration reads '.repeat(20_000));
    const back = execFileSync(python!, args, { input: text, maxBuffer: 2 ** 24, stdio: 'pipe' });
    expect(back.equals(text)).toBe(true);
  });
});
