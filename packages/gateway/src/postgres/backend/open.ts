import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refused } from '../refusals.js';
import { ClientExchange } from '../scram/client-exchange.js';
import { SCRAM } from '../scram/server-exchange.js';
import { errorFields } from '../wire/error-response.js';
import { saslInitialResponse, saslResponse } from '../wire/messages.js';
import { PacketReader, PeerGone, type TypedMessage } from '../wire/packet-reader.js';
import { connectUnix } from './connect.js';
import type { Place } from './place.js';

/** A server process that is logged in and idle. */
export interface OpenBackend {
  socket: Socket;
  /** Its ParameterStatus and Notice messages, and ReadyForQuery, as they came. */
  greeting: Buffer[];
  ready: Buffer;
  /** Body of its BackendKeyData: what a CancelRequest to it carries. */
  key: Buffer;
}

/** How long a restart of the server is waited out. */
const PATIENCE_MS = 5000;
const RETRY_MS = 20;
/** After a second without it. */
const RETRY_LATER_MS = 100;
const MAX_MESSAGE = 64 * 1024;

/** The server is not there, or says that it is starting or stopping: worth another try. */
class NotYet extends Error {}

/** A setting of the start-up packet that this server does not know, or not with that value. */
export class UnknownSetting extends Refused {}

/** The server, the database or the role has as many connections as it may. */
class Full extends Refused {}

/**
 * Logs in to PostgreSQL; a server that is restarting is waited for, as long as `patienceMs` says, and with `waitForRoom` so is one that has no
 * connection to spare. Throws `Refused`: with PostgreSQL's own error
 * where it has one for the client, and with a plain sentence where the fault lies between the gateway and its server.
 */
export async function openBackend(
  place: Place,
  startUp: Buffer,
  signal: AbortSignal,
  { patienceMs = PATIENCE_MS, waitForRoom = false } = {},
): Promise<OpenBackend> {
  const begun = performance.now();
  const deadline = begun + patienceMs;
  for (;;) {
    try {
      return await attempt(place, startUp, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const full = waitForRoom && error instanceof Full;
      if (!(full || error instanceof NotYet || error instanceof PeerGone || isAbsent(error))) throw error;
      if (performance.now() > deadline) throw full ? error : new Refused('database_starting');
      const pause = performance.now() - begun < 1000 ? RETRY_MS : RETRY_LATER_MS;
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** EAGAIN: the listen queue is full. EACCES is not here: it does not pass by itself. */
function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EAGAIN'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  );
}

async function attempt(place: Place, startUp: Buffer, signal: AbortSignal): Promise<OpenBackend> {
  const socket = await connectUnix(place.socketPath, signal);
  const reader = new PacketReader(socket, signal);
  try {
    socket.write(startUp);
    const opened = await login(socket, reader, place);
    if (reader.release().length > 0) throw new Error('PostgreSQL spoke before it was asked');
    return opened;
  } catch (error) {
    reader.release();
    socket.destroy();
    throw error;
  }
}

async function login(socket: Socket, reader: PacketReader, place: Place): Promise<OpenBackend> {
  const greeting: Buffer[] = [];
  let key = Buffer.alloc(0);
  for (;;) {
    const message = await reader.message(MAX_MESSAGE);
    if (message.type === 'E') throw loginError(message);
    else if (message.type === 'R') await authenticate(socket, reader, message, place);
    else if (message.type === 'K') key = Buffer.from(message.body);
    else if (message.type === 'Z') return { socket, greeting, ready: message.raw, key };
    else if (message.type === 'S' || message.type === 'N') greeting.push(message.raw);
    else throw new Error(`PostgreSQL sent an unexpected message of type "${message.type}" at login`);
  }
}

/** Class 28 means that the gateway's own way in is broken: the client has shown its password and can do nothing about it. */
function loginError({ body, raw }: TypedMessage): Error {
  const fields = errorFields(body);
  const sqlstate = fields.get('C') ?? '';
  if (sqlstate === '57P03') return new NotYet();
  if (sqlstate.startsWith('28')) return new Refused('database_login', '', undefined, fields.get('M'));
  return new (kindOfRefusal(sqlstate))('database_refused', '', Buffer.from(raw));
}

function kindOfRefusal(sqlstate: string): typeof Refused {
  if (sqlstate === '53300') return Full;
  return sqlstate === '42704' || sqlstate === '22023' ? UnknownSetting : Refused;
}

async function authenticate(socket: Socket, reader: PacketReader, first: TypedMessage, place: Place): Promise<void> {
  const method = first.body.readInt32BE(0);
  if (method === 0) return;
  if (method !== 10 || !place.passwords) throw new Refused('database_login', '', undefined, `method ${method}`);
  const exchange = new ClientExchange(place.passwords);
  socket.write(saslInitialResponse(SCRAM, exchange.clientFirst));
  const serverFirst = await saslData(reader, 11);
  socket.write(saslResponse(await exchange.clientFinal(serverFirst)));
  exchange.verify(await saslData(reader, 12));
}

async function saslData(reader: PacketReader, method: number): Promise<string> {
  const message = await reader.message(MAX_MESSAGE);
  if (message.type === 'E') throw loginError(message);
  if (message.type !== 'R' || message.body.readInt32BE(0) !== method)
    throw new Error('PostgreSQL broke the SCRAM exchange');
  return message.body.toString('utf8', 4);
}
