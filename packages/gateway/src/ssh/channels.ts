import type { GatewayConfig } from '@borealis/contract';
import type { Target } from '../front.js';
import { Channel, type ChannelCarrier } from './channel.js';
import type { Cut } from './cuts.js';
import { CHANNEL_MESSAGES, type MessageHandlers, type OpenRequest, type ProtocolInternals } from './internals.js';

/** Larger messages we neither send nor take (RFC 4253, 6.1 asks for 32 KiB at least). */
const MAX_PACKET = 32_768;
/** A peer that takes smaller messages than this makes us spin: 0 and 1 hung stock ssh2 for good. */
const MIN_PACKET = 1024;
/** Refused requests in a row before the peer is cut. */
const MAX_REFUSED = 1000;
/** Channels beyond this many get a small window: one connection shall not make us hold more than some 20 MiB. */
const WIDE_CHANNELS = 16;
const SMALL_WINDOW = 128 * 1024;

const PROHIBITED = 1;
const UNKNOWN_TYPE = 3;
const RESOURCE_SHORTAGE = 4;

export interface ChannelSettings {
  hosts: GatewayConfig['hosts'];
  maxChannels: number;
  windowBytes: number;
}

export interface ChannelsSurroundings {
  authenticated(): boolean;
  settings(): ChannelSettings;
  /** The users of the tunnel's database have as many channels open as they may, in all their tunnels together. */
  databaseFull(): boolean;
  /** Hands a channel to the PostgreSQL side. */
  opened(channel: Channel, target: Target): void;
  refused(): void;
  /** Counts channel data for the key exchange. */
  moved(bytes: number): void;
  cut(reason: Cut): void;
  isDead(): boolean;
}

/**
 * The channels of one connection. It takes the place of ssh2's own channel handling, which lets an authenticated peer
 * exhaust memory and hang the process: only forwarding to the cluster's hosts is opened, and every rule of the protocol
 * that protects us is enforced by cutting the connection.
 */
export class Channels {
  readonly #byNumber = new Map<number, Channel>();
  #refused = 0;

  constructor(
    private readonly protocol: ProtocolInternals,
    private readonly carrier: Omit<ChannelCarrier, 'closed'>,
    private readonly around: ChannelsSurroundings,
  ) {}

  get size(): number {
    return this.#byNumber.size;
  }

  /** Puts our handlers in the place of ssh2's. Must run before the peer's first packet is parsed. */
  install(): void {
    for (const name of CHANNEL_MESSAGES) this.#handle(name, () => this.around.cut('unexpected-message'));
    this.#handle('CHANNEL_OPEN', (request: OpenRequest) => this.#open(request));
    this.#handle('CHANNEL_DATA', (id: number, data: Buffer) => this.#data(id, data));
    this.#handle('CHANNEL_WINDOW_ADJUST', (id: number, amount: number) => this.#windowAdjust(id, amount));
    this.#handle('CHANNEL_EOF', (id: number) =>
      this.#with(id, (channel) => channel.receiveEof() || this.#unexpected()),
    );
    this.#handle('CHANNEL_CLOSE', (id: number) => this.#with(id, (channel) => this.#close(channel)));
    this.#handle('CHANNEL_REQUEST', (id: number, _type: string, wantReply: boolean) =>
      this.#with(id, (channel) => wantReply && this.protocol.channelFailure(channel.remote)),
    );
    this.#afterLogin('GLOBAL_REQUEST');
  }

  /** Ends every channel: the connection is gone. */
  destroy(): void {
    for (const channel of this.#byNumber.values()) channel.destroy();
    this.#byNumber.clear();
  }

  #handle<T extends unknown[]>(name: string, handler: (...rest: T) => void): void {
    const guarded = (_protocol: unknown, ...rest: T) => {
      if (this.around.isDead()) return; // ssh2 goes on parsing the chunk in hand after the socket is destroyed
      if (this.around.authenticated()) handler(...rest);
      else this.around.cut('unexpected-message');
    };
    this.protocol._handlers[name] = guarded as unknown as MessageHandlers[string];
  }

  /** ssh2's own answer to global requests (keepalives, remote forwarding: all refused) is right, but only after login. */
  #afterLogin(name: string): void {
    const own = this.protocol._handlers[name] as unknown as (...all: unknown[]) => void;
    this.#handle(name, (...rest: unknown[]) => own(this.protocol, ...rest));
  }

  #open(request: OpenRequest): void {
    const { hosts } = this.around.settings();
    const target = request.data.destPort === hosts.port ? targetOf(hosts, request.data.destIP ?? '') : undefined;
    const refusal = this.#refusal(request, target);
    if (refusal) this.#refuse(request, ...refusal);
    else if (target) this.#accept(request, target);
  }

  /** The failure code and text for a request that is not to be granted. */
  #refusal(request: OpenRequest, target: Target | undefined): [reason: number, text: string] | undefined {
    const { hosts, maxChannels } = this.around.settings();
    if (request.type === 'session') {
      return [PROHIBITED, `only forwarding to ${destinations(hosts)} is allowed: use ssh -N -L`];
    }
    if (request.type !== 'direct-tcpip') return [UNKNOWN_TYPE, `only forwarding to ${destinations(hosts)} is allowed`];
    if (!target) return [PROHIBITED, `this tunnel leads to ${destinations(hosts)} only`];
    if (request.packetSize < MIN_PACKET) return [PROHIBITED, 'the maximum packet size is too small'];
    if (this.#byNumber.size >= maxChannels)
      return [RESOURCE_SHORTAGE, `at most ${maxChannels} connections may be open in one tunnel`];
    return this.around.databaseFull() ? [RESOURCE_SHORTAGE, 'too many connections to this database'] : undefined;
  }

  #refuse(request: OpenRequest, reason: number, text: string): void {
    this.around.refused();
    if (++this.#refused > MAX_REFUSED) this.around.cut('refused-opens');
    else this.protocol.channelOpenFail(request.sender, reason, text);
  }

  #accept(request: OpenRequest, target: Target): void {
    this.#refused = 0;
    const { windowBytes } = this.around.settings();
    const receiveWindow = this.#byNumber.size < WIDE_CHANNELS ? windowBytes : Math.min(windowBytes, SMALL_WINDOW);
    const local = this.#freeNumber();
    const channel = new Channel(
      { ...this.carrier, closed: (gone) => this.#release(gone) },
      {
        local,
        remote: request.sender,
        sendWindow: request.window,
        maxPacket: Math.min(request.packetSize, MAX_PACKET),
        receiveWindow,
      },
    );
    channel.on('error', () => {}); // the reader has its own listener; without any an error would end the process
    this.#byNumber.set(local, channel);
    this.protocol.channelOpenConfirm(request.sender, local, receiveWindow, MAX_PACKET);
    try {
      this.around.opened(channel, target);
    } catch {
      channel.destroy();
    }
  }

  #data(id: number, data: Buffer): void {
    this.#with(id, (channel) => {
      this.around.moved(data.length);
      if (data.length > MAX_PACKET || !channel.receive(data)) this.around.cut('window-violated');
    });
  }

  #windowAdjust(id: number, amount: number): void {
    this.#with(id, (channel) => channel.widen(amount) || this.around.cut('window-overflow'));
  }

  #close(channel: Channel): void {
    if (channel.closeReceived) this.#unexpected();
    else channel.receiveClose();
    this.#release(channel);
  }

  #unexpected(): void {
    this.around.cut('unexpected-message');
  }

  #with(id: number, act: (channel: Channel) => unknown): void {
    const channel = this.#byNumber.get(id);
    if (channel) act(channel);
    else this.around.cut('unknown-channel');
  }

  /** A number is free again once both sides have sent CLOSE. */
  #release(channel: Channel): void {
    const done = channel.closeSent && channel.closeReceived;
    if (done && this.#byNumber.get(channel.local) === channel) this.#byNumber.delete(channel.local);
  }

  #freeNumber(): number {
    let number = 0;
    while (this.#byNumber.has(number)) number++;
    return number;
  }
}

function targetOf(hosts: GatewayConfig['hosts'], host: string): Target | undefined {
  const asked = host.toLowerCase();
  if (asked === hosts.primary) return 'primary';
  return asked === hosts.replica ? 'replica' : undefined;
}

function destinations(hosts: GatewayConfig['hosts']): string {
  return hosts.primary === hosts.replica
    ? `${hosts.primary}:${hosts.port}`
    : `${hosts.primary}:${hosts.port} and ${hosts.replica}:${hosts.port}`;
}
