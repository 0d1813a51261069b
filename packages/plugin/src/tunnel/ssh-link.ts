import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientChannel } from 'ssh2';
import type { DatabaseAccess, SshAccess } from '../addon-api/personal-users.js';
import { SshFailure, sshConnect } from './ssh-connect.js';

export interface LinkEvents {
  /** The connection is lost and being made again. */
  onDropped(): void;
  onRestored(): void;
  /** The connection is lost for good: its credentials or its server's host key are no longer right. */
  onEnded(failure: SshFailure): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** An SSH connection that comes back by itself for as long as its credentials are accepted. */
export class SshLink {
  readonly #access: SshAccess;
  readonly #events: LinkEvents;
  readonly #stop = new AbortController();
  #client: Promise<Client>;

  private constructor(access: SshAccess, events: LinkEvents, client: Client) {
    this.#access = access;
    this.#events = events;
    this.#client = this.#watch(client);
  }

  /** Connects once; a failure of this first attempt is thrown, not tried again. */
  static async open(access: SshAccess, events: LinkEvents): Promise<SshLink> {
    return new SshLink(access, events, await sshConnect(access));
  }

  /** A channel to the database, over the connection that is or, after a drop, the one that comes next. */
  async channel(to: DatabaseAccess, fromPort: number): Promise<ClientChannel> {
    const client = await this.#client;
    return new Promise((resolve, reject) => {
      client.forwardOut('127.0.0.1', fromPort, to.host, to.port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      );
    });
  }

  /** Ends the connection and every attempt to make a new one. */
  close(): void {
    this.#stop.abort();
    this.#client.then(
      (client) => client.end(),
      () => {},
    );
  }

  async #watch(client: Client): Promise<Client> {
    client.once('close', () => {
      if (this.#stop.signal.aborted) return;
      this.#events.onDropped();
      this.#client = this.#restore();
      this.#client.catch((failure) => {
        if (!this.#stop.signal.aborted) this.#events.onEnded(failure as SshFailure);
      });
    });
    return client;
  }

  async #restore(): Promise<Client> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      // A random part keeps the clients of a restarted server from coming back all at once.
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal: this.#stop.signal });
      try {
        const client = await sshConnect(this.#access);
        if (this.#stop.signal.aborted) client.end();
        else this.#events.onRestored();
        return this.#watch(client);
      } catch (error) {
        if (!(error instanceof SshFailure) || error.kind !== 'unreachable') throw error;
      }
    }
  }
}
