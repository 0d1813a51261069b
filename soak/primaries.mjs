import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 200;

/** Looks all the time whether more than one node takes writes. */
export class PrimaryWatch {
  /** A sentence for each time when there were two. */
  found = [];
  looks = 0;
  #isStopped = false;

  constructor(cluster) {
    this.cluster = cluster;
    this.running = this.#run();
  }

  async stop() {
    this.#isStopped = true;
    await this.running;
  }

  async #run() {
    while (!this.#isStopped) {
      await this.#look().catch(() => {});
      await sleep(EVERY_MS);
    }
  }

  async #look() {
    const { primary, standbys } = await this.cluster.record();
    const nodes = [primary, ...standbys.map(({ node }) => node)];
    const started = await Promise.all(nodes.map((node) => this.#startOf(node)));
    this.looks += 1;
    const taking = nodes.filter((_, at) => started[at]);
    if (taking.length < 2) return;
    // They were not asked at the same time. Those that still are what they were, were both.
    const again = await Promise.all(taking.map((node) => this.#startOf(node)));
    const both = taking.filter((node, at) => again[at] && again[at] === started[nodes.indexOf(node)]);
    if (both.length > 1) this.found.push(`the nodes ${both.join(' and ')} take writes at the same time`);
  }

  /** When the server of a node that takes writes was started; null for every other. */
  async #startOf(node) {
    const sql = 'select pg_is_in_recovery() as is, pg_postmaster_start_time()::text as started';
    const [row] = await this.cluster.ask(sql, { node, database: 'postgres' }).catch(() => []);
    return row && !row.is ? row.started : null;
  }
}
