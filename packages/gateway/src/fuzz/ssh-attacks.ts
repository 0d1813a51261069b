import { once } from 'node:events';
import net from 'node:net';
import ssh2, { type Client } from 'ssh2';
import type { Random } from './random.js';

/** One attack: connects, does its worst, and resolves when its socket is gone. */
export type Attack = (random: Random, port: number) => Promise<void>;

/** A connection is given up after this many milliseconds; most are cut by the gateway long before. */
const PATIENCE_MS = 250;
const IDENT = 'SSH-2.0-fuzz\r\n';

/** What the attacks with a session need: ssh2's client with its protocol object in reach. */
type Hostile = Client & {
  _protocol: { _cipher: { allocPacket(length: number): Buffer; encrypt(packet: Buffer): void } };
};

/** Raw bytes before and instead of an identification line. */
const garbage: Attack = (random, port) => raw(port, [random.bytes(1 + random.int(600))]);

/** An identification line that is not quite one. */
const brokenIdent: Attack = (random, port) =>
  raw(port, [random.mutate(Buffer.from(IDENT)), random.bytes(random.int(300))]);

/** Binary packets with wrong lengths, paddings and types in place of the key exchange. */
const brokenPackets: Attack = (random, port) => {
  const packets = Array.from({ length: 1 + random.int(5) }, () => {
    const payload = random.bytes(random.int(80));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(random.int(2) === 0 ? random.edge() >>> 0 : payload.length + 1);
    head[4] = random.int(256);
    return Buffer.concat([head, payload]);
  });
  return raw(port, [Buffer.from(IDENT), ...packets]);
};

/** A KEXINIT that was valid before some of its bytes changed. */
const mutatedKex: Attack = (random, port) =>
  raw(port, [Buffer.from(IDENT), random.mutate(kexInit()), random.bytes(random.int(64))]);

/** Arbitrary and malformed messages under valid encryption, before login. */
const malformedBeforeLogin: Attack = (random, port) => session(random, port, 'handshake');

/** The same after login, where channels can be opened. */
const malformedAfterLogin: Attack = (random, port) => session(random, port, 'ready');

/** The attacks, with how often each is chosen: those with a handshake cost most of the time. */
export const ATTACKS: readonly (readonly [name: string, weight: number, attack: Attack])[] = [
  ['garbage', 4, garbage],
  ['broken ident', 4, brokenIdent],
  ['broken packets', 5, brokenPackets],
  ['mutated key exchange', 5, mutatedKex],
  ['malformed before login', 2, malformedBeforeLogin],
  ['malformed after login', 3, malformedAfterLogin],
];

/** The login that `malformedAfterLogin` uses. */
export const FUZZ_USER = { username: 'fuzz', privateKey: '' };

async function raw(port: number, pieces: Buffer[]): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  socket.on('error', () => {});
  socket.resume();
  for (const piece of pieces) socket.write(piece);
  await once(socket, 'close').catch(() => {});
  clearTimeout(timer);
}

async function session(random: Random, port: number, stage: 'handshake' | 'ready'): Promise<void> {
  const client = new ssh2.Client() as Hostile;
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.on('error', () => {});
  const timer = setTimeout(() => client.destroy(), 10_000); // under load a handshake may take its time
  client.once(stage as 'ready', () => {
    for (let count = 1 + random.int(8); count > 0; count--) sendPayload(client, message(random));
    setTimeout(() => client.destroy(), PATIENCE_MS);
  });
  client.connect({
    host: '127.0.0.1',
    port,
    ...FUZZ_USER,
    ...(stage === 'handshake' ? { authHandler: () => {} } : {}),
  });
  await closed;
  clearTimeout(timer);
}

/** Encrypts a payload as it is: past all of ssh2's own checks. */
function sendPayload(client: Hostile, payload: Buffer): void {
  try {
    const packet = client._protocol._cipher.allocPacket(payload.length);
    packet.set(payload, 5);
    client._protocol._cipher.encrypt(packet);
  } catch {
    // the connection is gone already
  }
}

const MESSAGE_TYPES = [
  1, 2, 3, 4, 5, 7, 20, 21, 30, 31, 50, 51, 60, 61, 80, 81, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 192,
];

function message(random: Random): Buffer {
  const type = Buffer.from([random.int(4) === 0 ? random.int(256) : random.pick(MESSAGE_TYPES)]);
  if (random.int(3) === 0) return Buffer.concat([type, random.bytes(random.int(200))]);
  const open = Buffer.concat([
    Buffer.from([90]),
    text(random.pick(['direct-tcpip', 'session', 'x11', 'tun@openssh.com', ''])),
    ...[random.int(4), random.edge(), random.edge()].map(uint32),
    text(random.pick(['primary.test', 'replica.test', '127.0.0.1'])),
    uint32(random.pick([5432, 22, random.edge()])),
    text('127.0.0.1'),
    uint32(1),
  ]);
  const aimed = Buffer.concat([type, uint32(random.int(3)), uint32(random.edge()), random.bytes(random.int(100))]);
  const chosen = random.pick([open, open, aimed]);
  return random.int(2) === 0 ? chosen : random.mutate(chosen);
}

function kexInit(): Buffer {
  const lists = [
    'curve25519-sha256',
    'ssh-ed25519',
    'aes128-gcm@openssh.com',
    'aes128-gcm@openssh.com',
    '',
    '',
    'none',
    'none',
    '',
    '',
  ];
  const payload = Buffer.concat([Buffer.from([20]), Buffer.alloc(16, 7), ...lists.map(text), Buffer.alloc(5)]);
  const padding = 8 - ((payload.length + 5) % 8) + 8;
  const head = Buffer.concat([uint32(payload.length + padding + 1), Buffer.from([padding])]);
  return Buffer.concat([head, payload, Buffer.alloc(padding)]);
}

function text(value: string): Buffer {
  return Buffer.concat([uint32(value.length), Buffer.from(value, 'latin1')]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
