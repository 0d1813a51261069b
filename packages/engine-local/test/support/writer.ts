import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { eventually } from './home.js';
import type { OpenTunnel } from './tunnel.js';

export interface Who {
  user: string;
  password: string;
  database: string;
}

/** A session through the tunnel. */
export async function openClient(tunnel: OpenTunnel, who: Who): Promise<pg.Client> {
  const client = new pg.Client({ ...who, host: '127.0.0.1', port: tunnel.port, ssl: { rejectUnauthorized: false } });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

export interface Writer {
  /** Rows that PostgreSQL has acknowledged. */
  readonly acknowledged: number;
  readonly failures: unknown[];
  /** Resolves when so many more rows are acknowledged; rejects after a failure. */
  more(rows: number): Promise<void>;
  stop(): Promise<void>;
}

const PAUSE_MS = 5;

/** One session that inserts into the new table `written`, row after row, until it is stopped or one fails. */
export async function startWriter(tunnel: OpenTunnel, who: Who): Promise<Writer> {
  const client = await openClient(tunnel, who);
  await client.query('create table written (n int primary key)');
  const failures: unknown[] = [];
  let acknowledged = 0;
  let isStopped = false;
  const running = (async () => {
    while (!isStopped && failures.length === 0) {
      try {
        await client.query({ name: 'write', text: 'insert into written values ($1)', values: [acknowledged] });
        acknowledged += 1;
      } catch (error) {
        failures.push(error);
      }
      await sleep(PAUSE_MS);
    }
  })();
  return {
    get acknowledged() {
      return acknowledged;
    },
    failures,
    async more(rows) {
      const goal = acknowledged + rows;
      await eventually(`${rows} more rows`, async () => {
        if (failures[0]) throw failures[0];
        return acknowledged >= goal;
      });
    },
    async stop() {
      isStopped = true;
      await running;
      await client.end().catch(() => undefined);
    },
  };
}
