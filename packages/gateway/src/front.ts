import type { Duplex } from 'node:stream';
import type { GatewayConfig, GatewayStatus, TunnelUser } from '@borealis/contract';

/** One SSH connection that has proved who it is. */
export interface Tunnel {
  id: string;
  /** The user as the configuration had it when the tunnel opened; look it up again by name for what is allowed now. */
  user: TunnelUser;
  /** SHA-256 fingerprint of the key that opened it: `SHA256:…`. */
  fingerprint: string;
  /** The client's address, for events and limits. */
  address: string;
}

/** Sessions that go on at a server process opened anew, and those that were closed instead, by kind. */
export interface Moved {
  kept: number;
  closed: Record<string, number>;
}

/** Which server of the cluster a channel was opened to. */
export type Target = 'primary' | 'replica';

/**
 * The PostgreSQL side of the gateway, as the SSH side sees it. A channel is a Duplex with real backpressure both ways:
 * `end` means that the client sent EOF, `close` without it that the tunnel is gone.
 */
export interface SqlFront {
  /** Takes over one forwarded connection. Never throws; every failure ends that channel alone. */
  accept(channel: Duplex, tunnel: Tunnel, target: Target): void;
  /**
   * Runs by a new configuration from now on; throws, with nothing changed, when it cannot. Sessions of roles that are gone end with
   * 57P01. Those whose server is not the one to be on any more, or has died, go on where they belong now if their state is known,
   * else they end, too; resolves when that is done.
   */
  reload(config: GatewayConfig): Promise<Moved>;
  /** Has idle sessions tell their state, so that a `hold` is shorter; resolves when they have, after `ASK_SECONDS` at most. */
  ask(): Promise<void>;
  /**
   * Takes every session from its server, so that the servers can be stopped; new logins wait. Rejects, with all sessions as they
   * were, when that is not possible within `seconds` and `late` is `abort`. Without a `resume` they go on after 30 s.
   */
  hold(seconds: number, late: 'abort' | 'close'): Promise<{ held: number; closed: Record<string, number> }>;
  /** From the beginning of a `hold` until all sessions go on. */
  readonly holding: boolean;
  /** As `reload`, and the sessions that were held go on where the new configuration says. */
  resume(config: GatewayConfig): Promise<Moved>;
  /** Ends the sessions of these roles, and those that these verifiers let in, with 57P01. */
  closeSessions(roles: readonly string[], verifierDigests: readonly string[]): void;
  /** Sessions that are logged in. */
  readonly sessions: number;
  sessionsByVerifier(): GatewayStatus['sessionsByVerifier'];
  /** Metric label to count, for the control socket's status. */
  readonly counters: Readonly<Record<string, number>>;
  /** Ends every session with 57P01; resolves when their servers are closed. */
  close(): Promise<void>;
}
