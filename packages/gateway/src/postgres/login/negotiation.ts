import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Refused } from '../refusals.js';
import { ALPN, type ServerTls } from '../tls/server-tls.js';
import { PacketReader } from '../wire/packet-reader.js';
import { parseStartUp, type StartUpPacket, startUpLength } from '../wire/start-up-packet.js';

const TLS_HANDSHAKE_RECORD = 0x16;

type Cancel = Extract<StartUpPacket, { kind: 'cancel' }>;
type Startup = Extract<StartUpPacket, { kind: 'startup' }>;

/**
 * The first exchange on a channel, up to the packet that says what the client wants. Its start-up packet is taken in TLS
 * only; cancel requests also in clear, since most drivers never encrypt them (the tunnel does).
 */
export class Negotiation {
  /** Where to answer: the channel at first, TLS on it from the handshake on. */
  stream: Duplex;
  reader: PacketReader;
  /** In the middle of a TLS handshake nothing can be said, not even good-bye. */
  handshaking = false;

  constructor(
    private readonly channel: Duplex,
    private readonly tls: ServerTls,
    private readonly signal: AbortSignal,
  ) {
    this.stream = channel;
    this.reader = new PacketReader(channel, signal);
  }

  /** Throws `Refused`, or what the reader throws. */
  async run(): Promise<Cancel | Startup> {
    if ((await this.reader.peek()) === TLS_HANDSHAKE_RECORD) return this.#directTls();
    let gssAsked = false;
    for (;;) {
      const packet = await this.#packet();
      if (packet.kind === 'cancel') return packet;
      if (packet.kind === 'startup') throw new Refused('tls_required');
      if (packet.kind === 'ssl') return this.#sslRequest();
      if (gssAsked) throw new Refused('encryption_requested_twice');
      gssAsked = true;
      this.channel.write('N');
    }
  }

  async #directTls(): Promise<Cancel | Startup> {
    const socket = await this.#startTls();
    // Without it a browser's request, say, could be led here.
    if (socket.alpnProtocol !== ALPN) throw new Refused('direct_tls_without_alpn');
    return this.#inside();
  }

  async #sslRequest(): Promise<Cancel | Startup> {
    // Bytes before our answer were not sent by the client that will encrypt: somebody injected them (CVE-2021-23214).
    if (this.reader.unread + this.channel.readableLength > 0) throw new Refused('early_bytes');
    this.channel.write('S');
    await this.#startTls();
    return this.#inside();
  }

  async #inside(): Promise<Cancel | Startup> {
    const packet = await this.#packet();
    if (packet.kind === 'ssl' || packet.kind === 'gssenc') throw new Refused('encryption_requested_twice');
    return packet;
  }

  async #startTls(): Promise<TLSSocket> {
    const early = this.reader.release();
    if (early.length > 0) this.channel.unshift(early);
    const socket = this.tls.wrap(this.channel);
    // An error is always followed by `close`, which is what everybody listens to.
    socket.on('error', () => undefined);
    this.stream = socket;
    this.handshaking = true;
    await this.#handshake(socket);
    this.handshaking = false;
    this.reader = new PacketReader(socket, this.signal);
    return socket;
  }

  async #handshake(socket: TLSSocket): Promise<void> {
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, this.signal]);
    const closed = once(socket, 'close', { signal }).then(() => {
      throw new Refused('tls_failed');
    });
    try {
      // `once` rejects on `error`, too.
      await Promise.race([once(socket, 'secure', { signal }), closed]);
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason;
      if (error instanceof Refused) throw error;
      throw new Refused('tls_failed', '', undefined, (error as NodeJS.ErrnoException).code);
    } finally {
      closed.catch(() => undefined);
      done.abort();
    }
  }

  async #packet(): Promise<StartUpPacket> {
    const length = startUpLength(await this.reader.bytes(4));
    return parseStartUp(await this.reader.bytes(length - 4));
  }
}
