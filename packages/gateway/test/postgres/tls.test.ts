import { X509Certificate } from 'node:crypto';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { algorithms, selfSigned } from '../../src/postgres/testing/certificates.js';
import { errorFields } from '../../src/postgres/wire/error-response.js';
import { int32, startupMessage } from '../../src/postgres/wire/messages.js';
import {
  clientOptions,
  connected,
  directTls,
  type House,
  hasPsql,
  openHouse,
  psql,
  type RawClient,
  raw,
  rawClient,
  refusal,
  until,
} from './support.js';

let house: House;
let port: number;
beforeAll(async () => {
  house = await openHouse();
  port = (await house.door('alpha')).port;
});
afterAll(() => house.close());

const SSL_REQUEST = Buffer.concat([int32(8), int32(80877103)]);
const GSSENC_REQUEST = Buffer.concat([int32(8), int32(80877104)]);
const START_UP = startupMessage([
  ['user', 'app_rw_alpha'],
  ['database', 'alpha'],
]);

const error = ({ received }: RawClient) => errorFields(received().subarray(received().indexOf('E') + 5));

/** Connects in clear, asks for TLS, and does the handshake. */
async function requestTls(options = {}): Promise<TLSSocket> {
  const { socket, received } = rawClient(port);
  socket.write(SSL_REQUEST);
  await until(() => received().length > 0, 'the request is answered');
  expect(received().toString()).toBe('S');
  socket.removeAllListeners('data');
  return new Promise((resolve, reject) => {
    const tls = tlsConnect({ socket, rejectUnauthorized: false, ...options }, () => resolve(tls));
    tls.once('error', reject);
    socket.once('close', () => reject(new Error('closed during the handshake')));
  });
}

describe('without TLS', () => {
  test('nobody gets in, and is told what to do', async () => {
    expect(await refusal(clientOptions(port, 'app_rw_alpha', { ssl: false }))).toEqual({
      code: '28000',
      severity: 'FATAL',
      message: 'this database accepts encrypted connections only; add sslmode=require to the connection settings',
    });
  });

  test('GSS encryption is declined once, TLS offered after it', async () => {
    const client = rawClient(port);
    client.socket.write(GSSENC_REQUEST);
    await until(() => client.received().toString() === 'N', 'GSS is declined');
    client.socket.write(SSL_REQUEST);
    await until(() => client.received().toString() === 'NS', 'TLS is offered');
    client.socket.destroy();
    const again = rawClient(port);
    again.socket.write(Buffer.concat([GSSENC_REQUEST, GSSENC_REQUEST]));
    await again.closed;
    expect(error(again).get('C')).toBe('08P01');
  });

  test.each([
    ['a length of 3', int32(3)],
    ['a length of 10001', int32(10_001)],
    ['a negative length', int32(-1)],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an SSLRequest of 9 bytes', Buffer.concat([int32(9), int32(80877103), Buffer.of(0)])],
    ['a start-up packet without an end', Buffer.concat([int32(12), int32(3 << 16), Buffer.from('user')])],
  ])('%s gets one clear sentence', async (_what, bytes) => {
    const client = rawClient(port);
    client.socket.write(bytes);
    await client.closed;
    expect([error(client).get('C'), error(client).get('M')]).toEqual([
      '08P01',
      expect.stringMatching(/^malformed start-up packet: ./),
    ]);
  });
});

describe('TLS', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s works, asked for and directly', async (version) => {
    for (const socket of [
      await requestTls({ minVersion: version, maxVersion: version }),
      await directTls(port, { minVersion: version, maxVersion: version }),
    ]) {
      const client = raw(socket);
      socket.write(START_UP);
      await until(() => client.received().includes('SCRAM-SHA-256-PLUS'), 'SASL is offered');
      expect(socket.getProtocol()).toBe(version);
      socket.destroy();
    }
  });

  test('1.1 is refused', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(requestTls(old)).rejects.toThrow();
  });

  test('cannot be renegotiated', async () => {
    const other = await house.withConfig({ limits: { ...house.config.limits, postgresLoginSeconds: 1 } });
    const socket = await directTls((await other.door('alpha')).port, { maxVersion: 'TLSv1.2' });
    const client = raw(socket);
    const renegotiated = new Promise<Error | null>((resolve) => {
      socket.renegotiate({}, resolve);
      socket.once('close', () => resolve(new Error('closed')));
    });
    expect(await renegotiated).toBeInstanceOf(Error);
    await client.closed;
  });

  test('keeps no ticket and resumes nothing', async () => {
    const socket = await requestTls({ maxVersion: 'TLSv1.2' });
    expect(socket.getTLSTicket()).toBeUndefined();
    socket.destroy();
  });

  test('bytes sent along with the request close the connection before it is answered', async () => {
    const client = rawClient(port);
    client.socket.write(Buffer.concat([SSL_REQUEST, Buffer.of(0x16)]));
    await client.closed;
    expect(client.received()).toHaveLength(0);
    expect(house.front.counters.refused_early_bytes).toBe(1);
  });

  test('cannot be asked for inside TLS', async () => {
    const socket = await requestTls();
    const client = raw(socket);
    socket.write(SSL_REQUEST);
    await client.closed;
    expect(error(client).get('M')).toBe('encryption can be requested once, before it is on');
  });

  test('at once needs the name of the protocol, and no other', async () => {
    const nameless = raw(await directTls(port, { ALPNProtocols: [] }));
    nameless.socket.write(START_UP);
    await nameless.closed;
    expect(nameless.received()).toHaveLength(0);
    await expect(directTls(port, { ALPNProtocols: ['h2', 'http/1.1'] })).rejects.toThrow(/no application protocol/i);
  });

  test.skipIf(!hasPsql)(
    'stands up to verify-full by name and by address, not under another name (needs psql)',
    async () => {
      const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
      const { tmpdir } = await import('node:os');
      const { join } = await import('node:path');
      const dir = mkdtempSync(join(tmpdir(), 'gwca-'));
      writeFileSync(join(dir, 'ca.pem'), house.config.tls.certificate);
      const dsn = (host: string) =>
        `host=${host} hostaddr=127.0.0.1 port=${port} user=app_rw_alpha dbname=alpha sslmode=verify-full sslrootcert=${join(dir, 'ca.pem')}`;
      expect((await psql(dsn('localhost'), ['-c', 'SELECT 1'])).out).toBe('1');
      expect((await psql(dsn('127.0.0.1'), ['-c', 'SELECT 1'])).out).toBe('1');
      expect((await psql(dsn('example.com'), ['-c', 'SELECT 1'])).err).toContain('does not match host name');
      rmSync(dir, { recursive: true });
    },
  );
});

/** Logs in with channel binding where it is offered, and tells which mechanism the driver took. */
async function mechanismOf(at: number): Promise<string> {
  const client = new pg.Client(clientOptions(at, 'app_rw_alpha', { enableChannelBinding: true }));
  const { connection } = client as unknown as { connection: Record<string, (...args: unknown[]) => unknown> };
  const send = connection.sendSASLInitialResponseMessage!;
  let mechanism = '';
  connection.sendSASLInitialResponseMessage = (...args) => {
    mechanism = String(args[0]);
    return send.apply(connection, args);
  };
  await client.connect();
  await client.end();
  return mechanism;
}

describe('a certificate', () => {
  test.each(['ecdsa-sha256', 'ecdsa-sha384', 'rsa-sha256', 'rsa-sha512'] as const)(
    'signed by %s can be bound to',
    async (algorithm) => {
      const other = await house.withConfig({ tls: selfSigned(['localhost'], algorithm) });
      const door = await other.door('alpha');
      expect(await mechanismOf(door.port)).toBe('SCRAM-SHA-256-PLUS');
    },
  );

  test('for which no binding is defined is served without -PLUS', async () => {
    expect(Object.keys(algorithms)).toContain('ed25519');
    const other = await house.withConfig({ tls: selfSigned(['localhost'], 'ed25519') });
    const door = await other.door('alpha');
    const socket = await directTls(door.port);
    const client = raw(socket);
    socket.write(START_UP);
    await until(() => client.received().includes('SCRAM-SHA-256'), 'SASL is offered');
    expect(client.received().includes('PLUS')).toBe(false);
    socket.destroy();
    expect(await mechanismOf(door.port)).toBe('SCRAM-SHA-256');
  });

  test('is replaced by a reload: old sessions go on, new ones and half-done logins bind to their own', async () => {
    const other = await house.withConfig({});
    const door = await other.door('alpha');
    const before = await connected(door.port);
    const halfDone = await directTls(door.port);
    const tls = selfSigned(['localhost']);
    await other.front.reload({ ...other.config, tls });
    const serial = ({ certificate }: { certificate: string }) => new X509Certificate(certificate).serialNumber;
    expect(halfDone.getPeerCertificate().serialNumber).toBe(serial(other.config.tls));
    const socket = await directTls(door.port);
    expect(socket.getPeerCertificate().serialNumber).toBe(serial(tls));
    const after = await connected(door.port, 'app_rw_alpha', { enableChannelBinding: true });
    expect((await before.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await Promise.all([before.end(), after.end()]);
    for (const open of [socket, halfDone]) open.destroy();
  });

  test('that does not fit its key is not taken: the old one stays', async () => {
    const other = await house.withConfig({});
    const door = await other.door('alpha');
    const mixed = { ...selfSigned(['localhost']), privateKey: selfSigned(['localhost']).privateKey };
    expect(() => other.front.reload({ ...other.config, tls: mixed, roles: [] })).toThrow();
    await (await connected(door.port)).end();
  });
});
