import type { Duplex } from 'node:stream';
import type { Moved, SqlFront, Target, Tunnel } from '../front.js';

const BLOCK = Buffer.alloc(16_384, 'x');

/**
 * Stands in for the PostgreSQL side where only the SSH side is tried. A channel echoes; one whose first bytes are
 * `FLOOD` sends without end, one that starts with `STALL` never reads again, and one to the replica is refused by a throw.
 */
export class EchoFront implements SqlFront {
  sessions = 0;
  readonly counters = {};
  /** Its channels have no server to leave, but a hold is a hold. */
  holding = false;
  readonly #open = new Set<Duplex>();

  accept(channel: Duplex, _tunnel: Tunnel, target: Target): void {
    if (target === 'replica') throw new Error('This channel was meant to fail.');
    this.sessions++;
    this.#open.add(channel);
    channel.once('close', () => {
      this.sessions--;
      this.#open.delete(channel);
    });
    channel.once('data', (first: Buffer) => this.#choose(channel, first));
  }

  reload(): Promise<Moved> {
    return Promise.resolve({ kept: 0, closed: {} });
  }

  ask(): Promise<void> {
    return Promise.resolve();
  }

  hold(): Promise<{ held: number; closed: Record<string, number> }> {
    this.holding = true;
    return Promise.resolve({ held: 0, closed: {} });
  }

  resume(): Promise<Moved> {
    this.holding = false;
    return this.reload();
  }

  closeSessions(): void {}

  sessionsByVerifier(): [] {
    return [];
  }

  close(): Promise<void> {
    for (const channel of this.#open) channel.destroy();
    return Promise.resolve();
  }

  #choose(channel: Duplex, first: Buffer): void {
    const word = first.toString('latin1', 0, 5);
    if (word === 'STALL') channel.pause();
    else if (word === 'FLOOD') flood(channel);
    else {
      channel.write(first);
      channel.pipe(channel);
    }
  }
}

function flood(channel: Duplex): void {
  channel.resume();
  const more = () => {
    while (!channel.destroyed && channel.write(BLOCK)) {}
  };
  channel.on('drain', more);
  more();
}
