import type { Duplex } from 'node:stream';
import type { Target, Tunnel } from '../../front.js';
import { cancelBackend } from '../backend/cancel.js';
import type { OpenBackend } from '../backend/open.js';
import type { OwnTalk } from '../backend/own-talk.js';
import type { Place } from '../backend/place.js';
import type { LoggedIn } from '../logged-in.js';
import type { Claim } from '../login/access.js';
import { Refused } from '../refusals.js';
import type { Cancellable } from './cancel-keys.js';
import { closeChannel } from './closing.js';
import { Conversation } from './conversation.js';
import { isDeathOfServer } from './server-death.js';
import { endSocket, ServerSide } from './server-side.js';
import { Stepping } from './stepping.js';
import type { Teardowns } from './teardowns.js';
import { writeInTurn } from './turn-cork.js';

export interface SessionParts {
  tunnel: Tunnel;
  channel: Duplex;
  /** TLS on the channel. */
  client: Duplex;
  claim: Claim;
  /** The verifier that the password met, by its digest. */
  verifier: string;
  target: Target;
  /** Where the session begins; `Session.place` is where it is. */
  place: Place;
  /** The server process that it begins on. */
  backend: OpenBackend;
  /** The start-up packet that PostgreSQL got. */
  startUp: Buffer;
  teardowns: Teardowns;
  /**
   * Called when the server process is gone and has not said why it left this session; true: somebody looks after the session, which
   * is at rest now.
   */
  onLost: (session: Session) => boolean;
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

/** One client and its server process, which may become another one. Whatever goes wrong in here ends this session and no other. */
export class Session implements Cancellable {
  readonly conversation = new Conversation();
  readonly closed: Promise<void>;
  #phase: Phase = 'live';
  readonly #server = new ServerSide({
    data: this.#guard((chunk) => this.#fromServer(chunk)),
    drain: this.#guard(() => this.parts.client.resume()),
    close: this.#guard(() => this.#serverGone()),
  });
  #place: Place;
  #stepping: Stepping | null = null;
  #said = 0;
  #over = (): void => undefined;

  constructor(readonly parts: SessionParts) {
    this.#place = parts.place;
    this.closed = new Promise((resolve) => {
      this.#over = () => {
        this.#over = () => undefined;
        resolve();
        parts.onClosed(this);
      };
    });
  }

  get tunnelUser(): string {
    return this.parts.claim.tunnelUser;
  }

  get loggedIn(): LoggedIn {
    const { claim, verifier } = this.parts;
    return { role: claim.role, database: claim.database, verifier };
  }

  /** Where its server process is, or was before it left it. */
  get place(): Place {
    return this.#place;
  }

  /** Whether it has a server process: not between `leave` and `enter`. */
  get attached(): boolean {
    return this.#server.backend !== null;
  }

  /** Neither side has ended. */
  get live(): boolean {
    return this.#phase === 'live';
  }

  /** It stands at an idle boundary and forwards nothing of its client's. */
  get atRest(): boolean {
    return this.live && this.#stepping?.atRest === true;
  }

  /** Grows with whatever the client says that reaches the server: what was known of the server's side before may be outdated. */
  get said(): number {
    return this.#said;
  }

  /** The client has said something that waits, or has left behind something that does. */
  get wantsServer(): boolean {
    return this.#stepping?.empty === false;
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
      this.#guard(() => this.#server.socket?.resume()),
    );
    for (const [stream, event] of [
      [client, 'end'],
      [client, 'close'],
      [channel, 'close'],
    ] as const) {
      stream.once(
        event,
        this.#guard(() => this.#clientGone()),
      );
    }
    for (const raw of backend.greeting) this.conversation.fromServer.scan(raw);
    this.#server.attach(backend);
    if (early.length > 0) this.#guard((chunk) => this.#fromClient(chunk))(early);
    client.resume();
    backend.socket.resume();
    if (client.destroyed || channel.destroyed) this.#clientGone();
    if (backend.socket.destroyed) this.#serverGone();
  }

  async cancel(): Promise<void> {
    const { backend } = this.#server;
    if (backend && !backend.socket.destroyed) await cancelBackend(this.#place.socketPath, backend.key);
  }

  /** Tells the client why and closes both sides; a query that runs is cancelled. */
  end(refused: Refused): void {
    if (this.#phase === 'ending') return;
    this.#refuse(refused);
    this.#leaveServer();
  }

  /** As `end`, for a server that must not get another byte: what waits to be written to it is thrown away at once. */
  fence(refused: Refused): void {
    this.#server.socket?.destroy();
    this.end(refused);
  }

  /** Brings the session to rest at an idle boundary; resolves when it is there, or has ended. */
  async rest(): Promise<void> {
    if (this.#phase !== 'live') return this.closed;
    if (!this.#stepping) {
      this.#stepping = new Stepping();
      this.#guard(() => this.#step())();
    }
    return this.#stepping?.settled;
  }

  /** Goes on after `rest`: what the client said meanwhile is forwarded. Without a server process it stays at rest. */
  release(): void {
    const stepping = this.#stepping;
    if (!stepping || this.#phase === 'ending' || !this.#server.backend) return;
    this.#stepping = null;
    this.#guard(() => {
      for (const chunk of stepping.takeAll()) this.#fromClient(chunk);
      if (stepping.clientGone) this.#clientGone();
      else if (this.live && !this.#server.socket?.writableNeedDrain) this.parts.client.resume();
    })();
  }

  /**
   * Lets `ask` talk to the server of a session at rest. What the server says by itself reaches the client. When `ask` rejects with
   * anything but an `Unmovable`, the server's side may be in the middle of something: end the session. After a `Doubt` nothing of it
   * reaches the client any more.
   */
  async withServer<T>(ask: (talk: OwnTalk) => Promise<T>): Promise<T> {
    const { backend } = this.#server;
    if (!backend || !this.atRest) throw new Error('BUG: only a session at rest can be asked');
    return this.#server.lend(backend, ask, {
      tell: (notification) => this.tell(notification),
      full: () => this.parts.client.writableNeedDrain,
    });
  }

  /** Sends whole messages of a server's to the client of a session at rest. */
  tell(messages: Buffer): void {
    if (this.live) this.#guard(() => this.#fromServer(messages))();
  }

  /** Leaves the server process of a session at rest; resolves when it is gone, or after 5 s. */
  async leave(): Promise<void> {
    const socket = this.#server.detach();
    if (socket) await endSocket(socket);
  }

  /** Gives up a server process that is gone, or must not get another byte, at an idle boundary: the session is at rest then. */
  abandon(): void {
    this.#stepping ??= new Stepping();
    this.#stepping.rested();
    this.#server.detach()?.destroy();
  }

  /** Goes on at another server process, which has been given the session's state; still at rest. */
  enter(place: Place, backend: OpenBackend): void {
    this.#place = place;
    this.#server.attach(backend);
    backend.socket.resume();
    if (this.#phase === 'ending') this.#leaveServer();
    else if (backend.socket.destroyed) this.#serverGone();
  }

  #refuse(refused: Refused, cause?: unknown): void {
    const told = this.#phase !== 'live' || this.conversation.fatal || !this.conversation.fromServer.atBoundary;
    this.#phase = 'ending';
    this.#stepping?.ended();
    this.parts.onRefused(this, refused, cause);
    // An error in the middle of another message would be read as part of it.
    closeChannel(this.parts.channel, this.parts.client, told ? null : refused.answer);
  }

  #fromClient(chunk: Buffer): void {
    if (this.#phase !== 'live') return;
    if (this.#stepping) {
      this.#stepping.push(chunk);
      this.#step();
      return;
    }
    this.#said++;
    this.conversation.fromClient.scan(chunk);
    if (!writeInTurn(this.#server.socket!, chunk)) this.parts.client.pause();
  }

  /** Forwards what may be while the session is to come to rest, and notices when it has. */
  #step(): void {
    const [stepping, { client }] = [this.#stepping!, this.parts];
    if (stepping.atRest) {
      if (stepping.full) client.pause();
      return;
    }
    const socket = this.#server.socket!;
    for (let piece = stepping.next(this.conversation); piece; piece = stepping.next(this.conversation)) {
      this.#said++;
      writeInTurn(socket, piece);
    }
    if (this.conversation.idle && !this.conversation.terminated) stepping.rested();
    if (stepping.full || socket.writableNeedDrain) client.pause();
    else client.resume();
  }

  #fromServer(chunk: Buffer): void {
    // It will close without another word, and then the session may outlive it, or is told so by `#serverGone`.
    if (this.conversation.idle && isDeathOfServer(chunk)) return;
    this.conversation.fromServer.scan(chunk);
    if (this.#phase !== 'live') return;
    if (!writeInTurn(this.parts.client, chunk)) this.#server.socket?.pause();
    if (this.#stepping) this.#step();
  }

  /** A client that did not say Terminate has died, or lost its way here: nobody waits for its query any more. */
  #clientGone(): void {
    if (this.#phase !== 'live') return;
    const stepping = this.#stepping;
    if (stepping?.atRest && !stepping.empty) {
      stepping.clientGone = true; // It may have said Terminate, and what it said before is to be done.
      return;
    }
    if (stepping && !stepping.atRest) this.#forwardAll(stepping);
    this.#phase = this.conversation.terminated ? 'finishing' : 'ending';
    stepping?.ended();
    closeChannel(this.parts.channel, this.parts.client, null);
    this.#server.socket?.resume();
    if (this.#phase === 'ending' || !this.#server.backend) this.#leaveServer();
    else this.#server.socket!.end();
  }

  #forwardAll(stepping: Stepping): void {
    this.#stepping = null;
    for (const chunk of stepping.takeAll()) this.#fromClient(chunk);
    stepping.ended();
  }

  #serverGone(): void {
    const said = this.conversation.fatal || this.conversation.terminated;
    if (!said && this.#phase === 'live' && this.parts.onLost(this)) return;
    if (this.#phase === 'live') {
      if (!said) this.#refuse(new Refused('database_lost'));
      else closeChannel(this.parts.channel, this.parts.client, null);
    }
    this.#phase = 'ending';
    this.#stepping?.ended();
    this.#over();
  }

  /** PostgreSQL notices a closed socket only between commands, so a running one is cancelled first. */
  #leaveServer(): void {
    const { socket } = this.#server;
    if (!socket) {
      this.#over();
      return;
    }
    socket.resume();
    this.parts.teardowns.add(async () => {
      if (!this.conversation.quiet) {
        await this.cancel();
        socket.destroy();
        return;
      }
      await endSocket(socket);
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
    if (this.#phase === 'ending') this.#server.socket?.destroy();
    else {
      this.#refuse(refused, error);
      this.#leaveServer();
    }
  }
}
