import type { Duplex } from 'node:stream';
import type { Target, Tunnel } from '../../front.js';
import { cancelBackend } from '../backend/cancel.js';
import type { OpenBackend } from '../backend/open.js';
import type { Place } from '../backend/place.js';
import type { LoggedIn } from '../logged-in.js';
import type { Claim } from '../login/access.js';
import { Refused } from '../refusals.js';
import { terminate } from '../wire/messages.js';
import type { Cancellable } from './cancel-keys.js';
import { closeChannel } from './closing.js';
import { Conversation } from './conversation.js';
import type { Teardowns } from './teardowns.js';
import { writeInTurn } from './turn-cork.js';

const PATIENCE_MS = 5000;

export interface SessionParts {
  tunnel: Tunnel;
  channel: Duplex;
  /** TLS on the channel. */
  client: Duplex;
  claim: Claim;
  /** The verifier that the password met, by its digest. */
  verifier: string;
  target: Target;
  place: Place;
  backend: OpenBackend;
  /** The start-up packet that PostgreSQL got. */
  startUp: Buffer;
  teardowns: Teardowns;
  /** Called once, when the server's side is closed. */
  onClosed: (session: Session) => void;
  /** Called when the gateway ends the session, or an error of its own does. */
  onRefused: (session: Session, refused: Refused, cause?: unknown) => void;
}

/**
 * `live`: bytes pass both ways. `finishing`: the client has said Terminate and gone, PostgreSQL may still finish what it was
 * given. `ending`: nothing passes any more.
 */
type Phase = 'live' | 'finishing' | 'ending';

/** One client and its server process. Whatever goes wrong in here ends this session and no other. */
export class Session implements Cancellable {
  readonly conversation = new Conversation();
  readonly closed: Promise<void>;
  #phase: Phase = 'live';

  constructor(readonly parts: SessionParts) {
    this.closed = new Promise((resolve) => {
      parts.backend.socket.once('close', () => resolve());
    });
  }

  get tunnelUser(): string {
    return this.parts.claim.tunnelUser;
  }

  get loggedIn(): LoggedIn {
    const { claim, verifier } = this.parts;
    return { role: claim.role, database: claim.database, verifier };
  }

  /** Begins to relay; `early`: what the client said before. */
  start(early: Buffer): void {
    const { client, channel, backend } = this.parts;
    client.on(
      'data',
      this.#guard((chunk) => this.#fromClient(chunk)),
    );
    client.on(
      'drain',
      this.#guard(() => backend.socket.resume()),
    );
    client.once(
      'end',
      this.#guard(() => this.#clientGone()),
    );
    client.once(
      'close',
      this.#guard(() => this.#clientGone()),
    );
    channel.once(
      'close',
      this.#guard(() => this.#clientGone()),
    );
    backend.socket.on(
      'data',
      this.#guard((chunk) => this.#fromServer(chunk)),
    );
    backend.socket.on(
      'drain',
      this.#guard(() => client.resume()),
    );
    backend.socket.once(
      'close',
      this.#guard(() => this.#serverGone()),
    );
    if (early.length > 0) this.#guard((chunk) => this.#fromClient(chunk))(early);
    client.resume();
    backend.socket.resume();
    if (client.destroyed || channel.destroyed) this.#clientGone();
    if (backend.socket.destroyed) this.#serverGone();
  }

  async cancel(): Promise<void> {
    if (!this.parts.backend.socket.destroyed) await cancelBackend(this.parts.place.socketPath, this.parts.backend.key);
  }

  /** Tells the client why and closes both sides; a query that runs is cancelled. */
  end(refused: Refused): void {
    if (this.#phase === 'ending') return;
    this.#refuse(refused);
    this.#leaveServer();
  }

  /** As `end`, for a server that must not get another byte: what waits to be written to it is thrown away at once. */
  fence(refused: Refused): void {
    this.parts.backend.socket.destroy();
    this.end(refused);
  }

  #refuse(refused: Refused, cause?: unknown): void {
    const told = this.#phase !== 'live' || this.conversation.fatal || !this.conversation.fromServer.atBoundary;
    this.#phase = 'ending';
    this.parts.onRefused(this, refused, cause);
    // An error in the middle of another message would be read as part of it.
    closeChannel(this.parts.channel, this.parts.client, told ? null : refused.answer);
  }

  #fromClient(chunk: Buffer): void {
    if (this.#phase !== 'live') return;
    this.conversation.fromClient.scan(chunk);
    if (!writeInTurn(this.parts.backend.socket, chunk)) this.parts.client.pause();
  }

  #fromServer(chunk: Buffer): void {
    this.conversation.fromServer.scan(chunk);
    if (this.#phase !== 'live') return;
    if (!writeInTurn(this.parts.client, chunk)) this.parts.backend.socket.pause();
  }

  /** A client that did not say Terminate has died, or lost its way here: nobody waits for its query any more. */
  #clientGone(): void {
    if (this.#phase !== 'live') return;
    this.#phase = this.conversation.terminated ? 'finishing' : 'ending';
    closeChannel(this.parts.channel, this.parts.client, null);
    this.parts.backend.socket.resume();
    if (this.#phase === 'ending') this.#leaveServer();
    else this.parts.backend.socket.end();
  }

  #serverGone(): void {
    const said = this.conversation.fatal || this.conversation.terminated;
    if (this.#phase === 'live') {
      if (!said) this.#refuse(new Refused('database_lost'));
      else closeChannel(this.parts.channel, this.parts.client, null);
    }
    this.#phase = 'ending';
    this.parts.onClosed(this);
  }

  /** PostgreSQL notices a closed socket only between commands, so a running one is cancelled first. */
  #leaveServer(): void {
    const { socket } = this.parts.backend;
    socket.resume();
    this.parts.teardowns.add(async () => {
      if (!this.conversation.quiet) {
        await this.cancel();
        socket.destroy();
        return;
      }
      if (socket.destroyed) return;
      socket.end(terminate);
      const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
      socket.once('close', () => clearTimeout(timer));
    });
  }

  /** Callbacks of sockets run outside every other try: what they throw would end the process, and all sessions. */
  #guard(callback: (chunk: Buffer) => void): (chunk?: Buffer) => void {
    return (chunk) => {
      try {
        callback(chunk as Buffer);
      } catch (error) {
        this.#failed(error);
      }
    };
  }

  #failed(error: unknown): void {
    const refused = error instanceof Refused ? error : new Refused('internal');
    if (this.#phase === 'ending') this.parts.backend.socket.destroy();
    else {
      this.#refuse(refused, error);
      this.#leaveServer();
    }
  }
}
