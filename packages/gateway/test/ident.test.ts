import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { MAX_IDENT, profileFor, scanIdent } from '../src/ssh/ident.js';
import { peekProfile } from '../src/ssh/peek.js';

describe('the identification line', () => {
  test('is found wherever the bytes are cut, and only up to its limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const scan = scanIdent(Buffer.from(bytes));
        const end = bytes.indexOf(10);
        if (end !== -1 && end < MAX_IDENT) {
          const line = Buffer.from(bytes.subarray(0, end)).toString('latin1').replace(/\r$/, '');
          expect(scan).toEqual({ done: true, line });
        } else expect(scan).toEqual(bytes.length >= MAX_IDENT ? { done: true, line: null } : { done: false });
      }),
    );
  });

  test('any text gives a cipher offer', () => {
    fc.assert(fc.property(fc.string(), (text) => ['fast', 'compat'].includes(profileFor(text))));
  });

  test.each([
    ['SSH-2.0-OpenSSH_9.2p1 Debian-2', 'fast'],
    ['SSH-2.0-OpenSSH_10.1', 'fast'],
    ['SSH-2.0-OpenSSH_7.4', 'fast'],
    ['SSH-2.0-borealis-pg', 'fast'],
    ['SSH-2.0-OpenSSH_6.6.1', 'compat'],
    ['SSH-2.0-paramiko_2.12.0', 'compat'],
    ['SSH-2.0-PuTTY_Release_0.78', 'compat'],
    ['SSH-2.0-NotOpenSSH_9.2', 'compat'],
    ['GET / HTTP/1.1', 'compat'],
    [null, 'compat'],
  ] as const)('%s gets the %s offer', (line, profile) => {
    expect(profileFor(line)).toBe(profile);
  });
});

describe('peeking', () => {
  const servers: net.Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function pair(): Promise<[client: Socket, server: Socket]> {
    const listener = net.createServer().listen(0, '127.0.0.1');
    servers.push(listener);
    await once(listener, 'listening');
    const client = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1');
    const [server] = (await once(listener, 'connection')) as [Socket];
    return [client, server];
  }

  test('puts every byte back', async () => {
    const [client, server] = await pair();
    const peeked = new Promise((resolve) => peekProfile(server, resolve));
    client.write('SSH-2.0-Open');
    await new Promise((resolve) => setTimeout(resolve, 30));
    client.end('SSH_9.2\r\nand more');
    expect(await peeked).toBe('fast');
    let text = '';
    for await (const chunk of server) text += chunk;
    expect(text).toBe('SSH-2.0-OpenSSH_9.2\r\nand more');
  });

  test('what came in time is seen, however long this process had no time for it', async () => {
    const [client, server] = await pair();
    const peeked = new Promise((resolve) => peekProfile(server, resolve));
    client.write('SSH-2.0-OpenSSH_9.2\r\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
    expect(await peeked).toBe('fast');
    client.destroy();
    server.destroy();
  });

  test('a client that waits for our line first gets the compatible offer', async () => {
    const [client, server] = await pair();
    expect(await new Promise((resolve) => peekProfile(server, resolve))).toBe('compat');
    client.destroy();
    server.destroy();
  });
});
