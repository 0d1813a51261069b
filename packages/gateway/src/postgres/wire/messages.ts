/** Builders for the messages that the gateway itself writes, as whole buffers. Formats: PostgreSQL manual, chapter 55.7. */

/** One typed message around `body`. */
export function message(type: string, ...body: (Buffer | string)[]): Buffer {
  const parts = body.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part));
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeInt32BE(4 + parts.reduce((sum, part) => sum + part.length, 0), 1);
  return Buffer.concat([header, ...parts]);
}

/** A big-endian 32-bit number. */
export function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value | 0);
  return buffer;
}

/** A big-endian 16-bit number. */
export function int16(value: number): Buffer {
  return Buffer.of((value >> 8) & 0xff, value & 0xff);
}

/** ErrorResponse of severity FATAL. */
export function fatal(sqlstate: string, sentence: string): Buffer {
  return message('E', 'SFATAL', 'VFATAL', `C${sqlstate}`, `M${sentence}`, Buffer.of(0));
}

export const authentication = {
  ok: () => message('R', int32(0)),
  /** Offers these SASL mechanisms, the preferred first. */
  sasl: (mechanisms: readonly string[]) => message('R', int32(10), ...mechanisms, Buffer.of(0)),
  saslContinue: (data: string) => message('R', int32(11), Buffer.from(data)),
  saslFinal: (data: string) => message('R', int32(12), Buffer.from(data)),
};

/** SASLInitialResponse. */
export function saslInitialResponse(mechanism: string, data: string): Buffer {
  const body = Buffer.from(data);
  return message('p', mechanism, int32(body.length), body);
}

/** SASLResponse. */
export function saslResponse(data: string): Buffer {
  return message('p', Buffer.from(data));
}

/** The gateway's own key for CancelRequests: 4 secret bytes, or more where protocol 3.2 is spoken. */
export function backendKeyData(pid: number, secret: Buffer): Buffer {
  return message('K', int32(pid), secret);
}

/** Tells which protocol will be spoken and which `_pq_.` options are unknown. `minor` goes with major 3. */
export function negotiateProtocolVersion(minor: number, unknownOptions: readonly string[]): Buffer {
  return message('v', int32((3 << 16) | minor), int32(unknownOptions.length), ...unknownOptions);
}

/** StartupMessage for protocol 3.0. */
export function startupMessage(settings: Iterable<readonly [string, string]>): Buffer {
  const pairs = [...settings].flatMap(([name, value]) => [Buffer.from(`${name}\0`), Buffer.from(`${value}\0`)]);
  const body = Buffer.concat([int32(3 << 16), ...pairs, Buffer.of(0)]);
  return Buffer.concat([int32(body.length + 4), body]);
}

/** CancelRequest from a BackendKeyData body (process id and key as the server sent them, whatever the key's length). */
export function cancelRequest(key: Buffer): Buffer {
  return Buffer.concat([int32(8 + key.length), int32(80877102), key]);
}

/** Parse; without `types` the server finds them out. */
export function parse(name: string, sql: string, types: readonly number[] = []): Buffer {
  return message('P', name, sql, int16(types.length), ...types.map(int32));
}

/** Bind of the unnamed portal, with text parameters and text results. */
export function bind(statement: string, values: readonly string[] = []): Buffer {
  const texts = values.map((value) => Buffer.from(value));
  const parameters = texts.flatMap((text) => [int32(text.length), text]);
  return message('B', '', statement, int16(0), int16(values.length), ...parameters, int16(0));
}

/** Execute of the unnamed portal, to its end. */
export const execute: Buffer = message('E', '', int32(0));

/** Close of a prepared statement. */
export function closeStatement(name: string): Buffer {
  return message('C', Buffer.from('S'), name);
}

/** Describe of a portal, which a cursor is. */
export function describePortal(name: string): Buffer {
  return message('D', Buffer.from('P'), name);
}

export const sync: Buffer = message('S');

/** ParameterStatus; name and value as bytes in Latin-1. */
export function parameterStatus(name: string, value: string): Buffer {
  return message('S', Buffer.from(`${name}\0${value}\0`, 'latin1'));
}

export const terminate: Buffer = message('X');
