import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { GatewayConfig, TunnelUser } from '@borealis/contract';
import type { Logger } from 'pino';
import type { SqlFront, Tunnel } from '../front.js';
import type { Channel, ChannelCarrier } from './channel.js';
import { Channels } from './channels.js';
import { CUTS, type Cut } from './cuts.js';
import { assertInternals, type ClientInternals } from './internals.js';
import { Login, type LoginSurroundings } from './login.js';
import { Outlet } from './outlet.js';
import { disconnect } from './packets.js';
import { poolPadding } from './padding.js';
import { fingerprint } from './public-keys.js';
import { Rekeying } from './rekeying.js';
import { announceSignatureAlgorithms } from './signature-algorithms.js';

/** A peer that we told to go has this long to close before the socket is destroyed, in milliseconds. */
const GOODBYE_MS = 1000;
/** Replies held back during a key exchange; a peer that provokes more of them is cut. */
const MAX_QUEUED = 4096;

/** What a connection needs of the door. */
export interface Door extends Pick<LoginSurroundings, 'directory' | 'now'> {
  config(): GatewayConfig;
  front: SqlFront;
  log: Logger;
  count(label: string): void;
  delayFor(address: string, username: string): number;
  failed(address: string, username: string | null): void;
  /** Why this user may not open one more tunnel now; undefined when he may. */
  refusal(user: TunnelUser): Cut | undefined;
  /** True when the users of this database have as many channels open as they may. */
  full(database: string): boolean;
  /** The connection has logged in: its tunnel is open. */
  opened(connection: Connection, tunnel: Tunnel): void;
  /** The connection is gone, for this reason; called once, whether it had logged in or not. */
  closed(connection: Connection, reason: Cut): void;
}

/** One accepted socket, from before its first byte to its end. */
export class Connection {
  /** Set once the client has proved who it is. */
  tunnel: Tunnel | undefined;
  readonly since = new Date();
  #client: ClientInternals | undefined;
  #channels: Channels | undefined;
  #login: Login;
  #outlet: Outlet;
  #rekeying: Rekeying;
  #reason: Cut | undefined;
  #grace: NodeJS.Timeout;

  constructor(
    readonly socket: Socket,
    readonly address: string,
    private readonly door: Door,
  ) {
    const cut = (reason: Cut) => this.cut(reason);
    this.#outlet = new Outlet(socket, () => cut('output-stalled'));
    this.#rekeying = new Rekeying({ start: () => this.#client?.rekey(), running: () => this.#exchangingKeys(), cut });
    this.#login = new Login(this.#loginSurroundings());
    this.#grace = setTimeout(() => cut('login-grace'), door.config().limits.loginGraceSeconds * 1000);
    socket.on('error', () => cut('socket-error'));
    socket.once('end', () => cut('peer-closed'));
    socket.once('close', () => this.#ended());
  }

  /** Channels that are open, or that the peer has not closed yet. */
  get channels(): number {
    return this.#channels?.size ?? 0;
  }

  /** Takes over the ssh2 connection of this socket; runs before its first packet is parsed. */
  attach(client: ClientInternals): void {
    assertInternals(client);
    this.#client = client;
    announceSignatureAlgorithms(client._protocol);
    this.#channels = new Channels(client._protocol, this.#carrier(), {
      authenticated: () => this.tunnel !== undefined,
      settings: () => this.#channelSettings(),
      databaseFull: () => this.door.full(this.tunnel!.user.database),
      opened: (channel, target) => this.door.front.accept(channel, this.tunnel!, target),
      refused: () => this.door.count('channels_refused'),
      moved: (bytes) => this.#rekeying.moved(bytes),
      cut: (reason) => this.cut(reason),
      isDead: () => this.#reason !== undefined,
    });
    this.#channels.install();
    client.on('authentication', (request) => this.#reason === undefined && this.#login.handle(request));
    client.on('handshake', () => this.#keysExchanged());
    client.on('error', (error: Error & { level?: string }) => this.#failed(error));
    this.socket.on('data', () => this.#afterRead());
  }

  /** Ends the connection for this reason; the first reason counts, later calls do nothing. */
  cut(reason: Cut): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    const { code, level, text } = CUTS[reason];
    this.door.count(`cut_${reason}`);
    this.door.log[level]({ reason, address: this.address, username: this.tunnel?.user.username }, text);
    this.#channels?.destroy();
    if (code === null || !this.#sayGoodbye(code, text)) this.socket.destroy();
  }

  #sayGoodbye(code: number, text: string): boolean {
    try {
      if (this.#client) disconnect(this.#client._protocol, code, text);
    } catch {
      return false; // ssh2 had already given up on the connection
    }
    this.socket.end();
    setTimeout(() => this.socket.destroy(), GOODBYE_MS);
    return true;
  }

  /** ssh2 found an error. It only half-closes: a peer that never closes would keep the socket. */
  #failed(error: Error & { level?: string; code?: unknown }): void {
    this.door.log.debug({ address: this.address, error: error.message }, 'ssh2 reports an error');
    if (typeof error.code === 'number')
      this.cut('peer-closed'); // it sent DISCONNECT with that reason
    else if (error.level === 'client-timeout') this.cut('peer-dead');
    else this.cut(error.level === 'socket' ? 'socket-error' : 'protocol-error');
  }

  #ended(): void {
    this.#reason ??= 'peer-closed';
    clearTimeout(this.#grace);
    this.#rekeying.stop();
    this.#channels?.destroy();
    if (!this.tunnel) this.#login.abandoned();
    this.door.closed(this, this.#reason);
  }

  #afterRead(): void {
    if (this.#reason !== undefined) return;
    this.#outlet.guard();
    this.#rekeying.watch();
    if ((this.#client?._protocol._queue?.length ?? 0) > MAX_QUEUED) this.cut('reply-flood');
  }

  #keysExchanged(): void {
    poolPadding(this.#client!._protocol._cipher); // another one after each exchange
    this.#rekeying.finished();
    this.#outlet.serve();
  }

  #exchangingKeys(): boolean {
    return this.#client?._protocol._kexinit !== undefined;
  }

  #channelSettings() {
    const { hosts, limits } = this.door.config();
    return { hosts, maxChannels: limits.channelsPerConnection, windowBytes: limits.windowBytes };
  }

  #carrier(): Omit<ChannelCarrier, 'closed'> {
    const protocol = this.#client!._protocol;
    const send = (packet: () => void) => {
      if (this.#reason !== undefined) return;
      this.#outlet.gather();
      packet();
    };
    return {
      canSend: () => this.#reason === undefined && this.#outlet.hasRoom() && !this.#exchangingKeys(),
      sendData: (remote, data) => {
        send(() => protocol.channelData(remote, data));
        this.#rekeying.moved(data.length);
      },
      sendWindowAdjust: (remote, amount) => send(() => protocol.channelWindowAdjust(remote, amount)),
      sendEof: (remote) => send(() => protocol.channelEOF(remote)),
      sendClose: (remote) => send(() => protocol.channelClose(remote)),
      waitToSend: (channel: Channel) => this.#outlet.wait(channel),
    };
  }

  #loginSurroundings(): LoginSurroundings {
    const { door, address } = this;
    return {
      directory: () => door.directory(),
      limits: () => door.config().limits,
      delayFor: (username) => door.delayFor(address, username),
      failed: (username) => door.failed(address, username),
      succeeded: (user, key) => this.#openTunnel(user, key),
      cut: (reason) => this.cut(reason),
      isDead: () => this.#reason !== undefined,
      now: () => door.now(),
    };
  }

  #openTunnel(user: TunnelUser, key: Buffer): void {
    const refusal = this.door.refusal(user);
    if (refusal) {
      this.cut(refusal);
      return;
    }
    clearTimeout(this.#grace);
    this.tunnel = { id: randomUUID(), user, fingerprint: fingerprint(key), address: this.address };
    this.door.opened(this, this.tunnel);
  }
}
