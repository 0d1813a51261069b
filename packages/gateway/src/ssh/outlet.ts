import type { Socket } from 'node:net';
import { atEndOfTurn } from '../turn.js';

/** Channels send no more while this much waits in the socket. */
const FULL = 256 * 1024;
/** Beyond this nothing more is read from a peer: it provokes replies and does not read them. */
const CAP = 2 * 1024 * 1024;
/** How long a peer may leave the capped output unread, in milliseconds. */
const STALL_MS = 30_000;

/** A stream that has something to send and waits its turn. */
export interface Sender {
  pump(): void;
}

/**
 * The way out of one connection: bounds what waits in its socket, joins all packets of one turn of the event loop into
 * one write, and serves waiting channels in turn.
 */
export class Outlet {
  #corked = false;
  #waiting = new Set<Sender>();
  #stall: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly onStall: () => void,
  ) {
    socket.on('drain', () => this.#drained());
    socket.once('close', () => clearTimeout(this.#stall));
  }

  hasRoom(): boolean {
    return this.socket.writableLength < FULL;
  }

  /** To be called before writing a packet. */
  gather(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.socket.cork();
    atEndOfTurn(() => {
      this.#corked = false;
      this.socket.uncork();
    });
  }

  wait(sender: Sender): void {
    this.#waiting.add(sender);
  }

  /** Lets those who wait send: each once, who is still blocked goes to the end of the line. */
  serve(): void {
    const line = this.#waiting;
    this.#waiting = new Set();
    for (const sender of line) sender.pump();
  }

  /** Stops reading from a peer that does not read our replies; to be called after each read. */
  guard(): void {
    if (this.socket.writableLength <= CAP || this.#stall) return;
    this.socket.pause();
    this.#stall = setTimeout(this.onStall, STALL_MS);
  }

  #drained(): void {
    if (this.#stall) {
      clearTimeout(this.#stall);
      this.#stall = undefined;
      this.socket.resume();
    }
    this.serve();
  }
}
