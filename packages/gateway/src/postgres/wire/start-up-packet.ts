import { Refused } from '../refusals.js';

/** What a client may open with. `settings` keep the client's order; of a repeated name the last value counts. */
export type StartUpPacket =
  | { kind: 'ssl' }
  | { kind: 'gssenc' }
  | { kind: 'cancel'; pid: number; secret: Buffer }
  | { kind: 'startup'; minor: number; settings: Map<string, string> };

/** PostgreSQL's own bound on the packet, which no login has proved itself for. */
export const MAX_START_UP_BYTES = 10_000;

const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

const malformed = (detail: string) => new Refused('malformed_start_up', detail);

/** The packet's own length word, checked; it counts itself. */
export function startUpLength(word: Buffer): number {
  const length = word.readInt32BE(0);
  if (length < 8 || length > MAX_START_UP_BYTES) {
    throw malformed(`its length is ${length}, 8 to ${MAX_START_UP_BYTES} bytes are allowed`);
  }
  return length;
}

/** Reads what follows the length word. Throws `Refused` for whatever is not a start-up packet of protocol 3. */
export function parseStartUp(body: Buffer): StartUpPacket {
  const code = body.readInt32BE(0);
  if (code === SSL_REQUEST) return onlyCode(body, { kind: 'ssl' });
  if (code === GSSENC_REQUEST) return onlyCode(body, { kind: 'gssenc' });
  if (code === CANCEL_REQUEST) return parseCancel(body);
  const [major, minor] = [code >>> 16, code & 0xffff];
  if (major !== 3) throw new Refused('protocol_version', `${major}.${minor}`);
  return { kind: 'startup', minor, settings: parseSettings(body.subarray(4)) };
}

function onlyCode<T>(body: Buffer, packet: T): T {
  if (body.length !== 4) throw malformed('an encryption request has 8 bytes');
  return packet;
}

/** Keys have 4 bytes up to protocol 3.0, up to 256 from 3.2 on. */
function parseCancel(body: Buffer): StartUpPacket {
  if (body.length < 12 || body.length > 8 + 256) throw malformed('a cancel key has 4 to 256 bytes');
  return { kind: 'cancel', pid: body.readInt32BE(4), secret: body.subarray(8) };
}

function parseSettings(body: Buffer): Map<string, string> {
  const settings = new Map<string, string>();
  let at = 0;
  const word = (): string => {
    const end = body.indexOf(0, at);
    if (end < 0) throw malformed('a setting is not terminated');
    const text = body.toString('utf8', at, end);
    at = end + 1;
    return text;
  };
  for (let name = word(); name !== ''; name = word()) settings.set(name, word());
  if (at !== body.length) throw malformed('bytes follow its end');
  return settings;
}
