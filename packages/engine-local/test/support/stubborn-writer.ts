import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { eventually } from './home.js';
import type { OpenTunnel } from './tunnel.js';
import { openClient, type Who } from './writer.js';

/** One that goes on with a new session when its own is closed. */
export interface StubbornWriter {
  /** Numbers of the rows that PostgreSQL has acknowledged; of others it is not known. */
  readonly acknowledged: readonly number[];
  more(rows: number): Promise<void>;
  stop(): Promise<void>;
}

const PAUSE_MS = 20;

/** Inserts into the new table `written`, row after row, until it is stopped. */
export async function startStubbornWriter(tunnel: OpenTunnel, who: Who): Promise<StubbornWriter> {
  let client: pg.Client | null = await openClient(tunnel, who);
  await client.query('create table written (n int primary key)');
  const acknowledged: number[] = [];
  let isStopped = false;
  const running = (async () => {
    for (let n = 0; !isStopped; n++) {
      try {
        client ??= await openClient(tunnel, who);
        await client.query('insert into written values ($1)', [n]);
        acknowledged.push(n);
      } catch {
        await client?.end().catch(() => undefined);
        client = null;
      }
      await sleep(PAUSE_MS);
    }
  })();
  return {
    acknowledged,
    async more(rows) {
      const goal = acknowledged.length + rows;
      await eventually(`${rows} more rows`, async () => acknowledged.length >= goal);
    },
    async stop() {
      isStopped = true;
      await running;
      await client?.end().catch(() => undefined);
    },
  };
}
