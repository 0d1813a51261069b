import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { GatewayConfig, GatewayStatus, TunnelUser } from '@borealis/contract';
import type { Logger } from 'pino';
import type { SqlFront, Tunnel } from '../front.js';
import { addressRanges, limitKey, plainAddress } from './addresses.js';
import { Admission } from './admission.js';
import { Bans } from './bans.js';
import { Connection, type Door } from './connection.js';
import { Counters } from './counters.js';
import type { Cut } from './cuts.js';
import type { ClientInternals } from './internals.js';
import { peekProfile } from './peek.js';
import { buildServers, type Servers } from './servers.js';
import { UserDirectory } from './user-directory.js';

/** TCP keepalive to clients, in milliseconds; the SSH keepalive is the real detector of dead peers. */
const TCP_KEEPALIVE_MS = 30_000;
/** Ended bans are looked for this often, in milliseconds. */
const SWEEP_MS = 1000;

/** An event before the spool has numbered and dated it. */
export type DoorEvent =
  | { type: 'tunnel-created' | 'tunnel-destroyed'; tunnel: Tunnel; reason?: Cut }
  | { type: 'ban-started' | 'ban-ended'; address: string; failures?: number };

/** Everything that follows from one configuration and can be refused; built whole before any of it is put in force. */
interface Regime {
  config: GatewayConfig;
  servers: Servers;
  directory: UserDirectory;
  trusted: (address: string) => boolean;
}

/** The SSH side of a gateway: accepts connections, lets users in by their keys, and hands channels to the SQL side. */
export class SshDoor {
  readonly counters = new Counters();
  readonly #listener = net.createServer((socket) => this.#accept(socket));
  readonly #connections = new Map<Socket, Connection>();
  readonly #tunnelsByKey = new Map<string, number>();
  readonly #releases = new WeakMap<Connection, () => void>();
  readonly #admission: Admission;
  readonly #bans: Bans;
  readonly #sweep: NodeJS.Timeout;
  #regime: Regime;
  #onEmpty = () => {};

  /** Throws an Error that says what is wrong with the configuration. */
  constructor(
    config: GatewayConfig,
    private readonly front: SqlFront,
    private readonly log: Logger,
    private readonly emit: (event: DoorEvent) => void,
  ) {
    this.#regime = this.#build(config);
    this.#admission = new Admission(config.limits, this.#regime.trusted);
    this.#bans = new Bans(config.limits, {
      now: Date.now,
      trusted: (address) => this.#regime.trusted(address),
      hasTunnel: (key) => this.#tunnelsByKey.has(key),
      started: (address, failures) => this.emit({ type: 'ban-started', address, failures }),
      ended: (address) => this.emit({ type: 'ban-ended', address }),
    });
    this.#sweep = setInterval(() => this.#bans.sweep(), SWEEP_MS).unref();
    this.#warnOfKeys();
  }

  /** Starts to accept connections and gives the address; rejects when the socket cannot be had. */
  async listen(on: GatewayConfig['listen'] = this.#regime.config.listen): Promise<AddressInfo | null> {
    this.#listener.listen({ ...on, backlog: 511 });
    await once(this.#listener, 'listening');
    this.#listener.on('error', (error) => this.log.error({ error: error.message }, 'The listening socket failed'));
    return this.#listener.address() as AddressInfo | null;
  }

  /** Prepares a new configuration; the function it gives puts that in force. Throws and changes nothing when it cannot be. */
  prepare(config: GatewayConfig): () => void {
    const regime = this.#build(config);
    return () => {
      this.#regime = regime;
      this.#admission.configure(config.limits, regime.trusted);
      this.#bans.configure(config.limits);
      this.#warnOfKeys();
      this.#cutWhere(({ user }) => !regime.directory.has(user.username), 'user-removed');
    };
  }

  /** Ends the tunnels of these users, and those that these keys opened, at once and tells how many there were. */
  closeTunnels(usernames: readonly string[], fingerprints: readonly string[]): number {
    const meant = ({ user, fingerprint }: Tunnel) =>
      usernames.includes(user.username) || fingerprints.includes(fingerprint);
    return this.#cutWhere(meant, 'user-closed');
  }

  tunnels(): GatewayStatus['tunnels'] {
    const open = [...this.#connections.values()].filter((connection) => connection.tunnel);
    return open.map(({ tunnel, since }) => ({
      id: tunnel!.id,
      username: tunnel!.user.username,
      kind: tunnel!.user.kind,
      label: tunnel!.user.label,
      address: tunnel!.address,
      since: since.toISOString(),
      fingerprint: tunnel!.fingerprint,
    }));
  }

  /** Accepts nobody any more; open tunnels go on. */
  stopListening(): void {
    if (this.#listener.listening) this.#listener.close();
  }

  /** The listening socket's descriptor. Node has no public way to ask for it. */
  get descriptor(): number {
    const { _handle: handle } = this.#listener as unknown as { _handle?: { fd?: number } | null };
    if (typeof handle?.fd !== 'number' || handle.fd < 0) throw new Error('The listening socket has no descriptor.');
    return handle.fd;
  }

  /** Calls back once no connection is left, now or later. Only after `stopListening`. */
  whenEmpty(callback: () => void): void {
    this.#onEmpty = callback;
    if (this.#connections.size === 0) callback();
  }

  /** Ends every connection and ban; resolves when the sockets are closed. */
  async close(reason: Cut): Promise<void> {
    this.stopListening();
    clearInterval(this.#sweep);
    const sockets = [...this.#connections.keys()].map((socket) => socket.closed || once(socket, 'close'));
    for (const connection of this.#connections.values()) connection.cut(reason);
    await Promise.all(sockets);
    this.#bans.clear();
  }

  #build(config: GatewayConfig): Regime {
    return {
      config,
      servers: buildServers(config, (client) => this.#attach(client)),
      directory: new UserDirectory(config.tunnelUsers),
      trusted: addressRanges(config.limits.neverBan),
    };
  }

  /** One user's bad key must not keep a whole configuration out of force. */
  #warnOfKeys(): void {
    for (const { username, reason } of this.#regime.directory.unusable) {
      this.log.warn({ username, reason }, 'A public key is not accepted');
    }
  }

  #accept(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    const refusal = address === '' ? 'refused-gone' : this.#bans.isBanned(address) ? 'refused-banned' : undefined;
    const admitted = refusal ?? this.#admission.admit(address, this.#connections.size);
    if (typeof admitted === 'string') {
      this.counters.add(admitted);
      socket.destroy();
      return;
    }
    this.counters.add('connections');
    socket.setNoDelay(true); // otherwise Nagle's algorithm stalls small packets for 40 ms
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    const connection = new Connection(socket, address, this.#surroundings());
    this.#connections.set(socket, connection);
    this.#releases.set(connection, admitted);
    peekProfile(socket, (profile) => this.#regime.servers[profile].injectSocket(socket));
  }

  #attach(client: ClientInternals): void {
    this.#connections.get(client._sock)?.attach(client);
  }

  #surroundings(): Door {
    return {
      config: () => this.#regime.config,
      directory: () => this.#regime.directory,
      front: this.front,
      log: this.log,
      now: Date.now,
      count: (label) => this.counters.add(label),
      delayFor: (address, username) => this.#bans.delayFor(address, username),
      failed: (address, username) => this.#failed(address, username),
      refusal: (user) => this.#refusal(user),
      full: (database) => this.#channelsOf(database) >= this.#regime.config.limits.channelsPerDatabase,
      opened: (connection, tunnel) => this.#opened(connection, tunnel),
      closed: (connection, reason) => this.#closed(connection, reason),
    };
  }

  #refusal({ username, database }: TunnelUser): Cut | undefined {
    const { tunnelsPerUser, tunnelsPerDatabase } = this.#regime.config.limits;
    const ofDatabase = this.#of(({ user }) => user.database === database);
    if (ofDatabase.filter(({ tunnel }) => tunnel!.user.username === username).length >= tunnelsPerUser)
      return 'too-many-tunnels';
    return ofDatabase.length >= tunnelsPerDatabase ? 'database-full' : undefined;
  }

  #channelsOf(database: string): number {
    return this.#of(({ user }) => user.database === database).reduce((sum, { channels }) => sum + channels, 0);
  }

  #failed(address: string, username: string | null): void {
    this.counters.add('login_failures');
    this.#bans.failed(address, username);
  }

  #opened(connection: Connection, tunnel: Tunnel): void {
    this.#releases.get(connection)?.();
    this.#bans.succeeded(tunnel.address, tunnel.user.username);
    this.counters.add('tunnels');
    const key = limitKey(tunnel.address);
    this.#tunnelsByKey.set(key, (this.#tunnelsByKey.get(key) ?? 0) + 1);
    this.emit({ type: 'tunnel-created', tunnel });
  }

  #closed(connection: Connection, reason: Cut): void {
    this.#releases.get(connection)?.();
    this.#connections.delete(connection.socket);
    if (connection.tunnel) this.#tunnelClosed(connection.tunnel, reason);
    if (this.#connections.size === 0) this.#onEmpty();
  }

  #tunnelClosed(tunnel: Tunnel, reason: Cut): void {
    const key = limitKey(tunnel.address);
    const left = (this.#tunnelsByKey.get(key) ?? 1) - 1;
    if (left > 0) this.#tunnelsByKey.set(key, left);
    else this.#tunnelsByKey.delete(key);
    this.emit({ type: 'tunnel-destroyed', tunnel, reason });
  }

  /** The open tunnels that match. */
  #of(matches: (tunnel: Tunnel) => boolean): Connection[] {
    return [...this.#connections.values()].filter(({ tunnel }) => tunnel && matches(tunnel));
  }

  #cutWhere(matches: (tunnel: Tunnel) => boolean, reason: Cut): number {
    const found = this.#of(matches);
    for (const connection of found) connection.cut(reason);
    return found.length;
  }
}
