import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { message, saslInitialResponse, saslResponse, startupMessage } from '../../src/postgres/wire/messages.js';
import { directTls, PASSWORDS, type RawClient, raw, until } from './support.js';

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** A client of protocol 3.2 that has logged in as `app_rw_alpha`, at the level of bytes. */
export async function login32(port: number): Promise<RawClient & { key: Buffer; query(sql: string): void }> {
  const socket = await directTls(port);
  const client = raw(socket);
  const startUp = startupMessage([
    ['user', 'app_rw_alpha'],
    ['database', 'alpha'],
  ]);
  startUp.writeInt32BE((3 << 16) | 2, 4);
  socket.write(startUp);
  await until(() => client.received().includes('SCRAM'), 'SASL is offered');
  const bare = 'n=,r=nonce-of-the-client';
  socket.write(saslInitialResponse('SCRAM-SHA-256', `n,,${bare}`));
  await until(() => /i=\d+$/.test(client.received().toString('latin1')), 'the challenge comes');
  const challenge = /r=.*$/s.exec(client.received().toString('latin1'))![0];
  const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(challenge)!;
  const salted = pbkdf2Sync(PASSWORDS.app_rw_alpha!, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const final = `c=biws,r=${nonce}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), `${bare},${challenge},${final}`);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString('base64');
  socket.write(saslResponse(`${final},p=${proof}`));
  const ready = Buffer.concat([message('Z', Buffer.from('I'))]);
  await until(() => client.received().includes(ready), 'the session begins');
  return { ...client, key: keyIn(client.received()), query: (sql) => socket.write(message('Q', sql)) };
}

/** Body of the BackendKeyData among these messages. */
function keyIn(received: Buffer): Buffer {
  for (let at = 0; at < received.length; at += 1 + received.readInt32BE(at + 1)) {
    if (received[at] === 0x4b) return Buffer.from(received.subarray(at + 5, at + 1 + received.readInt32BE(at + 1)));
  }
  throw new Error('no key came');
}
