import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { createSqlFront } from '../postgres/front.js';
import { PASSWORDS, testConfig, testTunnel } from '../postgres/testing/config.js';
import { openDoor } from '../postgres/testing/loopback-door.js';
import { realPostgres } from '../postgres/testing/real-postgres.js';
import { scramLogin } from '../postgres/testing/scram-login.js';
import { cancelRequest, int32, message, saslInitialResponse, startupMessage } from '../postgres/wire/messages.js';
import { Random } from './random.js';

/**
 * Broken clients at the PostgreSQL door, repeatable by `--seed`, as many as `--runs`. Fails on an exception that nobody
 * caught, on one that a session had to catch, on sessions left behind, on growth without bound, and if the door is shut afterwards.
 */

const ROLE = 'app_rw_alpha';
const AT_ONCE = 8;
const MOST_GROWTH = 150 * 1024 * 1024;

const SSL_REQUEST = Buffer.concat([int32(8), int32(80877103)]);
const START_UP = startupMessage([
  ['user', ROLE],
  ['database', 'alpha'],
  ['options', '-c work_mem=5MB'],
]);
const PLAIN = [
  SSL_REQUEST,
  Buffer.concat([int32(8), int32(80877104)]),
  cancelRequest(Buffer.alloc(8, 1)),
  cancelRequest(Buffer.alloc(36, 1)),
  START_UP,
];
const CLIENT_HELLO = Buffer.from(`16030100${'2f010000'}2b0303${'5a'.repeat(32)}0000041301c02b0100`, 'hex');
const LOGIN = [
  START_UP,
  saslInitialResponse('SCRAM-SHA-256', 'n,,n=,r=nonce'),
  saslInitialResponse('SCRAM-SHA-256-PLUS', 'p=tls-server-end-point,,n=,r=nonce'),
  message('p', Buffer.from('c=biws,r=nonce,p=AAAA')),
];
const int16 = Buffer.of(0, 0);
const SESSION = [
  message('Q', 'SELECT 1'),
  message('Q', 'COPY (SELECT 1) TO STDOUT'),
  message('P', '', 'SELECT $1::int', int16),
  message('B', '', '', int16, int16, int16),
  message('E', '', int32(0)),
  message('D', 'P'),
  message('C', 'S'),
  message('F', int32(1299), int16, int16, int16),
  ...['S', 'H', 'c', 'X'].map((type) => message(type)),
  message('d', Buffer.from('1\n')),
];

interface Peer {
  port: number;
  random: Random;
  sockets: Socket[];
}

const opened = ({ port, sockets }: Peer): Socket => {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined).resume();
  sockets.push(socket);
  return socket;
};

/** TLS at once; resolves also when the handshake fails. */
function encrypted(peer: Peer): Promise<Duplex> {
  return new Promise((resolve) => {
    const options = { socket: opened(peer), rejectUnauthorized: false, ALPNProtocols: ['postgresql'] };
    const socket = tlsConnect(options, () => resolve(socket));
    socket.on('error', () => resolve(socket));
    socket.on('close', () => resolve(socket));
  });
}

/** Bytes changed, cut off or doubled; or a number put in that no length can be, or rubbish behind. */
function broken(bytes: Buffer, random: Random): Buffer {
  const copy = random.mutate(bytes);
  if (copy.length >= 8 && random.int(3) === 0) copy.writeInt32BE(random.edge() | 0, random.int(copy.length - 3));
  return random.int(6) === 0 ? Buffer.concat([copy, random.bytes(40)]) : copy;
}

/** Some of the messages, most of them broken, in one piece or many. */
async function babble(stream: Duplex, random: Random, messages: readonly Buffer[]): Promise<void> {
  for (let i = 1 + random.int(6); i > 0; i--) {
    const bytes = random.int(8) === 0 ? random.bytes(random.int(200)) : random.pick(messages);
    const said = random.int(3) === 0 ? bytes : broken(bytes, random);
    const cut = random.int(said.length + 1);
    for (const piece of [said.subarray(0, cut), said.subarray(cut)]) {
      if (stream.writable) stream.write(piece);
      if (random.int(4) === 0) await sleep(random.int(3));
    }
  }
}

const kinds: ((peer: Peer) => Promise<Duplex>)[] = [
  async function inClear(peer) {
    const socket = opened(peer);
    await babble(socket, peer.random, PLAIN);
    return socket;
  },
  async function brokenHandshake(peer) {
    const socket = opened(peer);
    if (peer.random.int(2)) socket.write(SSL_REQUEST);
    await sleep(peer.random.int(5));
    await babble(socket, peer.random, [CLIENT_HELLO]);
    return socket;
  },
  async function handshakeThenGarbage(peer) {
    const stream = await encrypted(peer);
    await babble(peer.sockets[0]!, peer.random, [CLIENT_HELLO]);
    return stream;
  },
  async function login(peer) {
    const stream = await encrypted(peer);
    stream.resume();
    await babble(stream, peer.random, LOGIN);
    return stream;
  },
  async function session(peer) {
    const stream = await encrypted(peer);
    await scramLogin(stream, ROLE, 'alpha', PASSWORDS[ROLE]!).catch(() => undefined);
    stream.resume();
    await babble(stream, peer.random, SESSION);
    return stream;
  },
];

async function one(port: number, seed: number): Promise<void> {
  const peer: Peer = { port, random: new Random(seed), sockets: [] };
  const stream = await peer.random.pick(kinds)(peer);
  stream.on('error', () => undefined);
  const leave = peer.random.int(3);
  if (leave === 0) stream.end();
  await sleep(leave === 1 ? 0 : peer.random.int(20));
  for (const socket of peer.sockets) socket.destroy();
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { seed: { type: 'string', default: '1' }, runs: { type: 'string', default: '5000' } },
  });
  const [seed, runs] = [Number(values.seed), Number(values.runs)];
  const problems: string[] = [];
  let started = 0;
  const escaped = (error: unknown) => problems.push(`escaped near run ${started}: ${(error as Error)?.stack ?? error}`);
  process.on('uncaughtException', escaped).on('unhandledRejection', escaped);
  const postgres = await realPostgres();
  const config = await testConfig(postgres);
  // No failure counts here, or the door would soon be shut; and nobody may stand in it for long.
  config.limits = { ...config.limits, sqlLoginFailures: 1e9, postgresLoginSeconds: 3 };
  const front = createSqlFront(config, pino({ level: 'error' }, pino.destination(2)));
  const door = await openDoor(() => front, testTunnel(config, 'alpha'));
  let warm = 0;
  const worker = async () => {
    while (started < runs && problems.length === 0) {
      const run = started++;
      if (run === Math.floor(runs / 4)) warm = process.memoryUsage().rss;
      await one(door.port, seed * 1_000_003 + run);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (let i = 0; i < 600 && front.sessions > 0; i++) await sleep(50);
  if (front.sessions > 0) problems.push(`${front.sessions} sessions were left behind`);
  if (front.counters.refused_internal)
    problems.push(`${front.counters.refused_internal} sessions failed inside the gateway`);
  const growth = process.memoryUsage().rss - warm;
  if (runs >= 1000 && growth > MOST_GROWTH) problems.push(`memory grew by ${Math.round(growth / 1e6)} MB`);
  const peer: Peer = { port: door.port, random: new Random(0), sockets: [] };
  await scramLogin(await encrypted(peer), ROLE, 'alpha', PASSWORDS[ROLE]!).catch((error) =>
    problems.push(`no way in: ${error}`),
  );
  await front.close();
  await door.close();
  await postgres.remove();
  console.log(`postgres door: seed ${seed}, ${started} runs, ${problems.length} problems`, front.counters);
  for (const problem of problems) console.error(problem);
  return problems.length > 0 ? 1 : 0;
}

process.exitCode = await main();
