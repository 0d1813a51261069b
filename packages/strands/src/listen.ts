import type { Pool, PoolClient } from 'pg';

const RETRY_MS = 1000;

/** Calls `hint` when strands may be due. Hints get lost while the connection is away: polling must not depend on them. */
export class Listener {
  #client: PoolClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly pool: Pool,
    private readonly hint: () => void,
  ) {}

  /** Connects, and again one second after each loss; holds one connection of the pool. */
  async open(): Promise<void> {
    try {
      const client = await this.pool.connect();
      if (this.#closed) return client.release();
      this.#client = client;
      client.on('notification', this.hint);
      client.on('error', () => this.#drop());
      await client.query('listen strands');
      this.hint();
    } catch {
      this.#drop();
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#release();
  }

  #drop(): void {
    this.#release();
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.open(), RETRY_MS);
  }

  #release(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.removeAllListeners('notification');
    // Never back into the pool: the next user would inherit the LISTEN.
    client?.release(true);
  }
}
