import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fenceServer } from '@borealis/postgres';
import pg from 'pg';
import { homePaths, ofNode } from '../../src/home/paths.js';
import { eventually } from './home.js';

/** What the journal says of a cluster's nodes. */
export interface Nodes {
  generation: number;
  primary: number;
  standbys: { node: number; role: string }[];
  reads: number | null;
  failover: unknown;
  superuserPassword: string;
}

export async function nodesOf(home: string, id: string): Promise<Nodes> {
  return JSON.parse(await readFile(homePaths(home).cluster(id).record, 'utf8')) as Nodes;
}

/** True when every standby has all that is acknowledged. */
export function isProtected({ standbys, failover }: Nodes): boolean {
  return standbys.length > 0 && failover === null && standbys.every(({ role }) => role === 'eligible');
}

/** Waits until every standby has all that is acknowledged. */
export function untilProtected(home: string, id: string): Promise<Nodes> {
  return eventually(`${id} is protected`, async () => {
    const nodes = await nodesOf(home, id).catch(() => null);
    return nodes && isProtected(nodes) ? nodes : null;
  });
}

/** Runs one statement as the keeper's own role on a node, straight on its socket. */
export async function queryNode(home: string, id: string, node: number, sql: string): Promise<unknown[]> {
  const { superuserPassword: password } = await nodesOf(home, id);
  const host = ofNode(homePaths(home).cluster(id), node).socketDirectory;
  const client = new pg.Client({ host, port: 5432, user: 'borealis', password, database: 'postgres' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Kills every process of a node's server. */
export async function killNode(home: string, id: string, node: number): Promise<void> {
  await fenceServer(ofNode(homePaths(home).cluster(id), node).data);
}

/** A client that writes one row after the other wherever the primary is, and notes each that was acknowledged. */
export class Writer {
  readonly acknowledged: number[] = [];
  /** Where no other writer began: rows of earlier ones may be there. */
  #next = Math.floor(Math.random() * 1_000_000) * 1000;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(
    private readonly home: string,
    private readonly id: string,
  ) {
    this.#running = this.#run();
  }

  /** Ends it, and gives the acknowledged rows that the present primary does not have. */
  async lost(): Promise<number[]> {
    this.#stopped = true;
    await this.#running;
    const { primary } = await nodesOf(this.home, this.id);
    const rows = (await queryNode(this.home, this.id, primary, 'select n from written')) as { n: number }[];
    const there = new Set(rows.map(({ n }) => n));
    return this.acknowledged.filter((n) => !there.has(n));
  }

  /** Waits until so many more rows were acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    await eventually(`${count} more acknowledged rows`, async () => this.acknowledged.length >= wanted);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) await this.#session().catch(() => sleep(10));
  }

  async #session(): Promise<void> {
    const { primary, superuserPassword: password } = await nodesOf(this.home, this.id);
    const host = ofNode(homePaths(this.home).cluster(this.id), primary).socketDirectory;
    const client = new pg.Client({ host, port: 5432, user: 'borealis', password, database: 'postgres' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      while (!this.#stopped) {
        const n = this.#next++;
        await client.query('insert into written values ($1)', [n]);
        this.acknowledged.push(n);
      }
    } finally {
      void client.end().catch(() => undefined);
    }
  }
}

/** Sends a signal to every process of a node's server. */
export async function signalNode(home: string, id: string, node: number, signal: NodeJS.Signals): Promise<void> {
  const { data } = ofNode(homePaths(home).cluster(id), node);
  const pid = Number((await readFile(`${data}/postmaster.pid`, 'utf8')).split('\n')[0]);
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  for (const one of [pid, ...children.trim().split(' ').filter(Boolean).map(Number)]) process.kill(one, signal);
}
