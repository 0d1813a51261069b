import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Installation } from './installation.js';
import { connectThrough } from './sql.js';
import { appTunnelUser, type OpenTunnel, openTunnel, throughPort, writerOf } from './tunnel.js';

const PAUSE_MS = 50;

/**
 * Writes one row after the other into `kept` of an app's database, as the app would: what fails is tried again, with the config vars as they are
 * then. Of each row it is known whether it was acknowledged.
 */
export class RowWriter {
  readonly acknowledged: number[] = [];
  /** Rows that may be there or not: nobody answered. */
  readonly doubtful = new Set<number>();
  #next = 1;
  #stopped = false;
  #open: { tunnel: OpenTunnel; client: Client } | null = null;
  readonly #work: Promise<void>;

  constructor(
    private readonly installation: Installation,
    private readonly app: string,
  ) {
    this.#work = this.#writeAll();
  }

  /** Ends it after the row that is on its way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  /** Asks on a connection of its own. */
  async ask<T>(sql: string): Promise<T[]> {
    const { tunnel, client } = await this.#connect();
    try {
      return (await client.query(sql)).rows as T[];
    } finally {
      await client.end().catch(() => undefined);
      await tunnel.close();
    }
  }

  async #writeAll(): Promise<void> {
    while (!this.#stopped) {
      const row = this.#next++;
      try {
        this.#open ??= await this.#connect();
        this.doubtful.add(row);
        await this.#open.client.query('insert into kept values ($1)', [row]);
        this.doubtful.delete(row);
        this.acknowledged.push(row);
      } catch (error) {
        // An error of the server's own says that the row is not there, unless it ended the session.
        const { severity } = error as { severity?: string };
        if (severity === 'ERROR') this.doubtful.delete(row);
        else await this.#close();
      }
      await sleep(PAUSE_MS);
    }
    await this.#close();
  }

  async #connect(): Promise<{ tunnel: OpenTunnel; client: Client }> {
    const config = await this.installation.config(this.app);
    const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
    const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
    try {
      return { tunnel, client: await connectThrough(url, this.installation.environment.BOREALIS_CA_FILE!) };
    } catch (error) {
      await tunnel.close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.client.end().catch(() => undefined);
    await open?.tunnel.close();
  }
}
