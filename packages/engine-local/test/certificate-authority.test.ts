import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CertificateAuthority } from '../src/home/certificate-authority.js';
import { temporaryDirectory } from './support/home.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(() => directory.remove());

test('the authority is made once and kept closed', async () => {
  const first = await CertificateAuthority.open(directory.path);
  const second = await CertificateAuthority.open(directory.path);
  expect(second.certificate).toBe(first.certificate);
  expect((await stat(`${directory.path}/authority.pem`)).mode & 0o777).toBe(0o600);
  expect(first.certificate).not.toContain('PRIVATE');
});

test('its certificates verify for their names and addresses and no other', async () => {
  await CertificateAuthority.open(directory.path);
  const authority = await CertificateAuthority.open(directory.path);
  const leaf = await authority.issue('one.internal', ['one.internal', 'localhost', '127.0.0.1']);
  const certificate = new X509Certificate(leaf.certificate);
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  const server = createServer({ cert: leaf.certificate, key: leaf.privateKey.reveal() }, (socket) =>
    // A client that has seen the certificate leaves at once, and not always in good order.
    socket.on('error', () => undefined).end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const handshake = async (servername: string) => {
    const socket = connect({ host: '127.0.0.1', port, servername, ca: authority.certificate });
    await once(socket, 'secureConnect');
    socket.destroy();
  };
  await handshake('one.internal');
  await handshake('localhost');
  await expect(handshake('two.internal')).rejects.toThrow(/does not match/);
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  server.close();
});

test('a certificate never prints its key', async () => {
  const leaf = await (await CertificateAuthority.open(directory.path)).issue('x', ['x']);
  expect(JSON.stringify(leaf)).not.toContain('PRIVATE');
});
