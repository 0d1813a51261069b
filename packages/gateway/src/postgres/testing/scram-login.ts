import type { Duplex } from 'node:stream';
import { Secret } from '@borealis/contract';
import { ClientExchange, SaltedPasswords } from '../scram/client-exchange.js';
import { SCRAM } from '../scram/server-exchange.js';
import { saslInitialResponse, saslResponse, startupMessage } from '../wire/messages.js';
import { PacketReader } from '../wire/packet-reader.js';

/** Logs in over an encrypted connection, at the level of bytes; rejects when the server refuses. The stream is left paused. */
export async function scramLogin(stream: Duplex, role: string, database: string, password: string): Promise<void> {
  const reader = new PacketReader(stream, AbortSignal.timeout(60_000));
  const next = async () => {
    const message = await reader.message(1 << 20);
    if (message.type === 'E') throw new Error(message.body.toString('latin1'));
    return message;
  };
  const exchange = new ClientExchange(new SaltedPasswords(new Secret(password)));
  stream.write(
    startupMessage([
      ['user', role],
      ['database', database],
    ]),
  );
  await next();
  stream.write(saslInitialResponse(SCRAM, exchange.clientFirst));
  stream.write(saslResponse(await exchange.clientFinal((await next()).body.toString('utf8', 4))));
  exchange.verify((await next()).body.toString('utf8', 4));
  while ((await next()).type !== 'Z');
  reader.release();
}
