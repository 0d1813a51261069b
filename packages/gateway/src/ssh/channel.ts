import { Duplex } from 'node:stream';
import { ReceiveBuffer } from './receive-buffer.js';

/** What a channel asks of the connection that carries it. All of it is safe to call on a dead connection. */
export interface ChannelCarrier {
  /** False while nothing may be sent: the socket's buffer is full, keys are being exchanged, or the connection is dead. */
  canSend(): boolean;
  sendData(remote: number, data: Buffer): void;
  sendWindowAdjust(remote: number, amount: number): void;
  sendEof(remote: number): void;
  sendClose(remote: number): void;
  /** Calls `channel.pump()` when sending is possible again; channels are served in turn. */
  waitToSend(channel: Channel): void;
  /** The channel has sent its CLOSE; when the peer's has come too its number is free. */
  closed(channel: Channel): void;
}

export interface ChannelNumbers {
  local: number;
  remote: number;
  /** Bytes the peer lets us send at first, and at most in one message. */
  sendWindow: number;
  maxPacket: number;
  /** Bytes we let the peer send before we have read any. */
  receiveWindow: number;
}

const MAX_WINDOW = 2 ** 32 - 1;
/** Data for a reader that is slow to notice the peer's CLOSE is kept this long, in milliseconds. */
const LINGER_MS = 5000;

/**
 * One forwarded connection as a stream with real backpressure both ways. It never holds more than the receive window
 * of what the peer sent, whatever the peer does, and writes only what the peer and the socket have room for.
 */
export class Channel extends Duplex {
  readonly local: number;
  readonly remote: number;
  closeSent = false;
  closeReceived = false;
  #sendWindow: number;
  readonly #maxPacket: number;
  readonly #window: number;
  /** What the peer may still send. */
  #granted: number;
  #inbound = new ReceiveBuffer();
  /** The reader has asked for more and has got nothing since. */
  #wanted = false;
  #eofReceived = false;
  #pending: { chunk: Buffer; done: (error?: Error | null) => void } | undefined;

  constructor(
    private readonly carrier: ChannelCarrier,
    numbers: ChannelNumbers,
  ) {
    // A read mark of one byte: what is not read yet waits in our own buffer, which is dense.
    super({ allowHalfOpen: true, readableHighWaterMark: 1, writableHighWaterMark: 65_536, decodeStrings: true });
    this.local = numbers.local;
    this.remote = numbers.remote;
    this.#sendWindow = numbers.sendWindow;
    this.#maxPacket = numbers.maxPacket;
    this.#window = numbers.receiveWindow;
    this.#granted = numbers.receiveWindow;
  }

  /** Takes the peer's data; false when the peer had no right to send it. */
  receive(data: Buffer): boolean {
    if (this.#eofReceived || data.length > this.#granted) return false;
    this.#granted -= data.length;
    if (this.closeSent || this.destroyed) return true; // it crossed our CLOSE: nobody reads it any more
    const backlog = this.readableLength > 0 || this.#inbound.length > 0;
    if (backlog && !this.#wanted) this.#inbound.add(data);
    else this.#deliver(data);
    this.#grant();
    return true;
  }

  /** The peer sends no more; false when it said so before. */
  receiveEof(): boolean {
    if (this.#eofReceived) return false;
    this.#eofReceived = true;
    if (!this.destroyed) this.#endReading();
    return true;
  }

  /** The peer is done with the channel. What it sent before can still be read for a moment; what we write is lost. */
  receiveClose(): void {
    this.closeReceived = true;
    this.#sendClose();
    if (this.destroyed) return;
    this.receiveEof();
    this.#dropPending();
    if (this.readableEnded) this.destroy();
    else this.#lingerThenDestroy();
  }

  /** Adds to what we may send; false when the sum is beyond what the protocol can express. */
  widen(amount: number): boolean {
    this.#sendWindow += amount;
    if (this.#sendWindow > MAX_WINDOW) return false;
    this.pump();
    return true;
  }

  /** Sends as much of what is waiting as peer and socket have room for. */
  pump(): void {
    while (this.#pending && this.#sendWindow > 0) {
      if (!this.carrier.canSend()) {
        this.carrier.waitToSend(this);
        return;
      }
      const { chunk, done } = this.#pending;
      const size = Math.min(chunk.length, this.#sendWindow, this.#maxPacket);
      this.#sendWindow -= size;
      this.carrier.sendData(this.remote, chunk.subarray(0, size));
      if (size < chunk.length) this.#pending.chunk = chunk.subarray(size);
      else {
        this.#pending = undefined;
        done();
      }
    }
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.closeSent || chunk.length === 0) {
      done();
      return;
    }
    this.#pending = { chunk, done };
    this.pump();
  }

  override _final(done: () => void): void {
    if (!this.closeSent) this.carrier.sendEof(this.remote);
    done();
  }

  override _read(): void {
    const block = this.#inbound.take();
    if (block) this.#deliver(block);
    else this.#wanted = true;
    this.#grant();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#sendClose();
    this.#dropPending();
    this.#inbound = new ReceiveBuffer();
    this.carrier.closed(this);
    done(error);
  }

  /** Lets the peer send more once half of the window is free. Buffered and granted bytes never exceed the window. */
  #grant(): void {
    const amount = this.#window - this.#granted - this.readableLength - this.#inbound.length;
    if (amount < this.#window / 2 || this.#eofReceived || this.closeSent) return;
    this.#granted += amount;
    this.carrier.sendWindowAdjust(this.remote, amount);
  }

  #deliver(data: Buffer): void {
    this.#wanted = false;
    this.push(data);
  }

  #endReading(): void {
    for (let block = this.#inbound.take(); block; block = this.#inbound.take()) this.#deliver(block);
    this.push(null);
  }

  #lingerThenDestroy(): void {
    const timer = setTimeout(() => this.destroy(), LINGER_MS);
    this.once('end', () => this.destroy());
    this.once('close', () => clearTimeout(timer));
  }

  #sendClose(): void {
    if (this.closeSent) return;
    this.closeSent = true;
    this.carrier.sendClose(this.remote);
  }

  #dropPending(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.done();
  }
}
