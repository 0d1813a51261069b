import type { Duplex } from 'node:stream';
import { Refused } from '../refusals.js';
import { SCRAM, SCRAM_PLUS, type ScramChallenge, ServerExchange } from '../scram/server-exchange.js';
import { authentication } from '../wire/messages.js';
import type { PacketReader } from '../wire/packet-reader.js';

/** As in PostgreSQL: enough for any SCRAM message. */
const MAX_SASL_MESSAGE = 1024;

/** A password that was right. */
export interface Proof {
  /** AuthenticationSASLFinal, which proves to the client that we know it, too; to be sent when the login succeeds as a whole. */
  message: Buffer;
  /** The verifier that it met, by its digest. */
  verifier: string;
}

/**
 * Asks the client for its password by SCRAM; null if it was wrong. `keys`: those of the challenge that are still valid when the
 * answer has come.
 */
export async function authenticate(
  stream: Duplex,
  reader: PacketReader,
  challenge: ScramChallenge,
  keys: () => ScramChallenge['keys'],
  binding: Buffer | null,
): Promise<Proof | null> {
  const offered = binding ? [SCRAM_PLUS, SCRAM] : [SCRAM];
  stream.write(authentication.sasl(offered));
  const { mechanism, data } = initialResponse(await saslMessage(reader));
  if (!offered.includes(mechanism)) throw new Refused('scram_malformed', 'the mechanism was not offered');
  const exchange = new ServerExchange(mechanism, data, challenge, binding);
  stream.write(authentication.saslContinue(exchange.serverFirst));
  const success = exchange.finish((await saslMessage(reader)).toString('utf8'), keys());
  return success && { message: authentication.saslFinal(success.serverFinal), verifier: success.digest };
}

async function saslMessage(reader: PacketReader): Promise<Buffer> {
  const { type, body } = await reader.message(MAX_SASL_MESSAGE);
  if (type !== 'p') throw new Refused('scram_malformed', 'a SASL response is expected');
  return body;
}

function initialResponse(body: Buffer): { mechanism: string; data: string } {
  const end = body.indexOf(0);
  if (end < 0 || body.length < end + 5) throw new Refused('scram_malformed', 'an initial response is expected');
  const data = body.subarray(end + 5);
  if (body.readInt32BE(end + 1) !== data.length) throw new Refused('scram_malformed', 'the length does not fit');
  return { mechanism: body.toString('latin1', 0, end), data: data.toString('utf8') };
}
