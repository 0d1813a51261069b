import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/support/tunnel.js';
import { GatewayDirectory } from './support/gateway-directory.js';
import { GatewayProcess } from './support/gateway-process.js';
import { hasSsh, OpenSsh, through } from './support/openssh.js';
import { waitFor } from './support/wait.js';

describe.skipIf(!hasSsh)('OpenSSH (needs the ssh command)', () => {
  let directory: GatewayDirectory;
  let gateway: GatewayProcess;
  const running: OpenSsh[] = [];
  let sockets = 0;

  const socketPath = () => path.join(directory.path, `s${sockets++}`);

  function ssh(extra: string[], options: ConstructorParameters<typeof OpenSsh>[3] = {}): OpenSsh {
    const client = new OpenSsh(directory, gateway.port, extra, options);
    running.push(client);
    return client;
  }

  beforeAll(async () => {
    directory = new GatewayDirectory();
    gateway = await GatewayProcess.start(directory.path);
  });

  afterEach(async () => {
    for (const client of running.splice(0)) await client.stop();
  });

  afterAll(async () => {
    await gateway.destroy();
    directory.remove();
  });

  test('ssh -N -L reaches the cluster, with AES-GCM and strict key exchange', async () => {
    const local = socketPath();
    const client = ssh(['-v', '-N', '-L', `${local}:primary.test:5432`]);
    await client.ready(local);
    expect(await through(local, 'hello')).toBe('hello');
    expect(client.stderr).toContain('cipher: aes128-gcm@openssh.com');
    expect(client.stderr).toContain('resetting send seqnr');
    expect(client.stderr).toContain('Server host key: ssh-ed25519');
  });

  test.each(['ed25519', 'ecdsa', 'rsa'] as const)(
    'the status tells the fingerprint that ssh-keygen prints: %s',
    async (type) => {
      const key = directory.newKey(`print-${type}`, type);
      directory.change({ tunnelUsers: [...directory.config.tunnelUsers, directory.user(`with-${type}`, [key])] });
      await gateway.control({ op: 'reload' });
      const local = socketPath();
      const client = ssh(['-N', '-L', `${local}:primary.test:5432`], { user: `with-${type}`, key });
      await client.ready(local);
      const open = (await gateway.status()).tunnels.find(({ username }) => username === `with-${type}`);
      const printed = execFileSync('ssh-keygen', ['-l', '-f', key.file], { encoding: 'utf8' });
      expect(printed.split(' ')[1]).toBe(open?.fingerprint);
    },
  );

  test('ten megabytes come back unchanged while the client changes keys again and again', async () => {
    const local = socketPath();
    const client = ssh(['-v', '-N', '-o', 'RekeyLimit=3M', '-L', `${local}:primary.test:5432`]);
    await client.ready(local);
    const text = Array.from({ length: 800_000 }, (_, line) => `line ${line}`).join('\n');
    expect((await through(local, text)) === text).toBe(true); // a difference would be too long to print
    expect(client.stderr.match(/SSH2_MSG_NEWKEYS received/g)?.length).toBeGreaterThan(3);
  });

  test.each([
    ['a command', ['HOST', 'true']],
    ['a shell', ['-T']],
    ['a terminal', ['-tt']],
    ['a subsystem', ['-s', 'HOST', 'sftp']],
    ['a session with agent forwarding', ['-A', 'HOST', 'true']],
    ['a session with X11 forwarding', ['-X', 'HOST', 'true']],
  ])('%s is refused', async (_what, extra) => {
    const client = ssh(extra);
    expect(await client.ended()).not.toBe(0);
    expect(client.stderr).toContain('administratively prohibited: only forwarding to primary.test:5432');
  });

  test('remote forwarding is refused', async () => {
    const client = ssh(['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1']);
    expect(await client.ended()).toBe(255);
    expect(client.stderr).toContain('remote port forwarding failed');
  });

  test('a session refused in a connection leaves its forwarding alone', async () => {
    const [local, master] = [socketPath(), socketPath()];
    await ssh(['-N', '-M', '-S', master, '-L', `${local}:primary.test:5432`]).ready(local);
    const second = ssh(['-S', master, 'HOST', 'true']);
    expect(await second.ended()).not.toBe(0);
    expect(await through(local, 'still here')).toBe('still here');
  });

  test('a forwarding to another host carries nothing, and one to the cluster in the same connection does', async () => {
    const [wrong, right] = [socketPath(), socketPath()];
    const client = ssh(['-N', '-L', `${wrong}:127.0.0.1:22`, '-L', `${right}:primary.test:5432`]);
    await client.ready(right);
    expect(await through(wrong, 'hello')).toBe('');
    expect(client.stderr).toContain('administratively prohibited: this tunnel leads to primary.test:5432');
    expect(await through(right, 'hello')).toBe('hello');
  });

  test('dynamic forwarding (-D) reaches the cluster alone', async () => {
    const port = await freePort();
    const client = ssh(['-N', '-D', `127.0.0.1:${port}`]);
    expect(await socks(port, 'primary.test', 5432)).toBe(true);
    expect(await socks(port, '127.0.0.1', 22)).toBe(false);
    expect(await socks(port, 'example.com', 443)).toBe(false);
    expect(client.exit).toBeNull();
  });

  test.each([
    ['a password', 'alice', 'alice', ['-o', 'PreferredAuthentications=password']],
    ["another user's key", 'alice', 'bob', []],
    ['an unknown user', 'stranger', 'alice', []],
  ] as const)('%s is refused', async (_what, user, key, extra) => {
    const client = ssh(['-N', ...extra], { user, key: directory[key] });
    expect(await client.ended()).toBe(255);
    expect(client.stderr).toContain('Permission denied (publickey)');
  });

  test('two gateways have two host keys, and a client that knows one refuses the other', async () => {
    const other = new GatewayDirectory({ listen: { host: '127.0.0.1', port: 0 } });
    const second = await GatewayProcess.start(other.path);
    const good = new OpenSsh(other, second.port, ['-N', '-L', `${other.path}/ok:primary.test:5432`]);
    await good.ready(`${other.path}/ok`);
    const wrongKey = { key: other.alice, hostKey: directory.hostKeys[0]! };
    const bad = new OpenSsh(other, second.port, ['-N'], wrongKey);
    expect(await bad.ended()).toBe(255);
    expect(bad.stderr).toContain('Host key verification failed');
    const ecdsa = [
      '-N',
      '-v',
      '-o',
      'HostKeyAlgorithms=ecdsa-sha2-nistp256',
      '-L',
      `${other.path}/e:primary.test:5432`,
    ];
    const viaEcdsa = new OpenSsh(other, second.port, ecdsa, { hostKey: other.hostKeys[1]! });
    await viaEcdsa.ready(`${other.path}/e`);
    await Promise.all([good.stop(), viaEcdsa.stop(), second.destroy()]);
    other.remove();
  });

  /** Asks ssh's SOCKS5 server for a connection; true when data comes back through it. */
  async function socks(port: number, host: string, target: number): Promise<boolean> {
    const socket = await waitFor('the SOCKS port', async () => {
      const candidate = net.connect(port, '127.0.0.1');
      return await once(candidate, 'connect').then(
        () => candidate,
        () => null,
      );
    });
    let got = Buffer.alloc(0);
    socket.on('data', (data) => {
      got = Buffer.concat([got, data]);
    });
    socket.on('error', () => {});
    const name = Buffer.from(host);
    const request = Buffer.concat([
      Buffer.from([5, 1, 0, 5, 1, 0, 3, name.length]),
      name,
      Buffer.from([target >> 8, target & 255]),
    ]);
    socket.write(request);
    await waitFor('the SOCKS answer', () => got.length >= 12 || socket.closed);
    socket.write('ping');
    await waitFor('an echo or the end', () => got.includes('ping') || socket.closed);
    socket.destroy();
    return got.includes('ping');
  }
});
