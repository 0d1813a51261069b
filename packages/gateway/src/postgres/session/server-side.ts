import type { Socket } from 'node:net';
import type { OpenBackend } from '../backend/open.js';
import { Doubt, OwnTalk } from '../backend/own-talk.js';
import { terminate } from '../wire/messages.js';

const PATIENCE_MS = 5000;

interface Listeners {
  data: (chunk: Buffer) => void;
  drain: () => void;
  close: () => void;
}

/** The server process that a session is on: what it says goes to the listeners, until the session leaves it. */
export class ServerSide {
  #backend: OpenBackend | null = null;

  constructor(private readonly listeners: Listeners) {}

  /** Null between two server processes. */
  get backend(): OpenBackend | null {
    return this.#backend;
  }

  get socket(): Socket | null {
    return this.#backend?.socket ?? null;
  }

  attach(backend: OpenBackend): void {
    this.#backend = backend;
    const { data, drain, close } = this.listeners;
    backend.socket.on('data', data).on('drain', drain).once('close', close);
  }

  /** Nothing that the former process says or does is heard any more; its socket is the caller's, who ends it. Null: there was none. */
  detach(): Socket | null {
    const { socket } = this;
    this.#backend = null;
    const { data, drain, close } = this.listeners;
    socket?.off('data', data).off('drain', drain).off('close', close);
    return socket;
  }

  /**
   * Lets `ask` talk to the process; what that says by itself meanwhile goes to `tell`. After a `Doubt` nothing of it is heard any
   * more. Whoever has nowhere to put more of it says so by `full`.
   */
  async lend<T>(
    backend: OpenBackend,
    ask: (talk: OwnTalk) => Promise<T>,
    { tell, full }: { tell: (messages: Buffer) => void; full: () => boolean },
  ): Promise<T> {
    const { socket } = backend;
    socket.off('data', this.listeners.data);
    const talk = new OwnTalk(socket, tell);
    let doubtful = false;
    try {
      return await ask(talk);
    } catch (error) {
      doubtful = error instanceof Doubt;
      throw error;
    } finally {
      const rest = talk.release();
      if (!doubtful) {
        socket.on('data', this.listeners.data);
        if (rest.length > 0) this.listeners.data(rest);
        if (!full()) socket.resume();
      }
    }
  }
}

/** Says Terminate and resolves when the server has closed, or after 5 s. */
export function endSocket(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
    socket.end(terminate);
  });
}
