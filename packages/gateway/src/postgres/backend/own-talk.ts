import type { Socket } from 'node:net';
import { errorFields } from '../wire/error-response.js';
import { bind, closeStatement, execute, parse, sync } from '../wire/messages.js';
import { PacketReader, type TypedMessage } from '../wire/packet-reader.js';
import { parameterOf } from '../wire/parameter-status.js';

/** Longest message that is read, and with it the longest state of one session. */
const MAX_MESSAGE = 16 * 1024 * 1024;

/** What the server said to everything before one Sync. */
export interface Reply {
  /** Columns in text format; null is NULL. */
  rows: (string | null)[][];
  /** Of all rows, as they came. */
  bytes: number;
  /** What the server said of each statement that it has done: `MOVE 3`. */
  tags: string[];
  /** Body of the last RowDescription; null: none was asked for. */
  description: Buffer | null;
  /** Its error, by the codes of ErrorResponse; what follows the error is skipped by the server. */
  error: Map<string, string> | null;
}

/** The server said what it cannot say here: nothing of the connection can be trusted any more. */
export class Doubt extends Error {}

/** The answer has more bytes than it may; its rest was not read. */
export class Oversized extends Doubt {}

/**
 * The gateway's own statements on a server process, behind its client's back: in the extended protocol and under names of its
 * own, since a simple query destroys the client's unnamed statement. Reads fail with `PeerGone` when the server closes, and
 * with `Doubt`.
 */
export class OwnTalk {
  /** What the server reported of its parameters meanwhile; the client has not seen it. */
  readonly parameters = new Map<string, string>();
  readonly #reader: PacketReader;

  /** `notified` gets the NotificationResponses that come meanwhile. */
  constructor(
    private readonly socket: Socket,
    private readonly notified: (raw: Buffer) => void,
    signal: AbortSignal = new AbortController().signal,
  ) {
    this.#reader = new PacketReader(socket, signal);
  }

  /**
   * Sends every segment with a Sync behind it, all at once, and returns the replies. Throws `Oversized` where the rows of one have more
   * bytes than `most`.
   */
  async run(segments: readonly Buffer[], most = MAX_MESSAGE): Promise<Reply[]> {
    this.socket.write(Buffer.concat(segments.flatMap((segment) => [segment, sync])));
    const replies: Reply[] = [];
    for (const _ of segments) replies.push(await this.#reply(most));
    return replies;
  }

  /** Ends the talk; returns what came after its last answer. */
  release(): Buffer {
    return this.#reader.release();
  }

  async #reply(most: number): Promise<Reply> {
    const reply: Reply = { rows: [], bytes: 0, tags: [], description: null, error: null };
    for (;;) {
      const message = await this.#message(most - reply.bytes);
      if (message.type === 'Z') return reply;
      this.#take(message, reply);
    }
  }

  /** A row that is too long is not even read. */
  async #message(most: number): Promise<TypedMessage> {
    const [type, length] = await this.#reader.peekHeader();
    if (type === 'D' && length > most) throw new Oversized(`a row of ${length} bytes where ${most} are allowed`);
    return this.#reader.message(MAX_MESSAGE);
  }

  #take({ type, body, raw }: TypedMessage, reply: Reply): void {
    if (type === 'A') this.notified(Buffer.from(raw));
    else if (type === 'S') this.parameters.set(...parameterOf(body));
    else if (type === 'D') {
      reply.rows.push(columns(body));
      reply.bytes += raw.length;
    } else if (type === 'E') reply.error = errorFields(body);
    else if (type === 'C') reply.tags.push(body.toString('latin1', 0, body.length - 1));
    else if (type === 'T') reply.description = Buffer.from(body);
    else if (!'123INnts'.includes(type)) throw new Doubt(`the server said "${type}" where it cannot`);
  }
}

/** One statement of the gateway's, from Parse to Close. */
export function statement(sql: string, values: readonly string[] = []): Buffer {
  const types = values.map(() => TEXT);
  return Buffer.concat([parse(OWN_NAME, sql, types), bind(OWN_NAME, values), execute, closeStatement(OWN_NAME)]);
}

/** As `statement`, for what a failed one has left behind: its name may be taken. */
export const cleanUp = (sql: string): Buffer => Buffer.concat([closeStatement(OWN_NAME), statement(sql)]);

/** The only name of a prepared statement that the gateway uses; no client's is expected to be called so. */
export const OWN_NAME = '__gw_own';
const TEXT = 25;

function columns(body: Buffer): (string | null)[] {
  let at = 2;
  return Array.from({ length: body.readInt16BE(0) }, () => {
    const bytes = body.readInt32BE(at);
    at += 4;
    if (bytes < 0) return null;
    at += bytes;
    return body.toString('utf8', at - bytes, at);
  });
}
