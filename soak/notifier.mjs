import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 50;

/** A session that notifies all the time, with numbers that grow, and knows which were acknowledged. */
export class Notifier {
  acknowledged = [];
  failures = [];
  #next = 1;
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
      await this.#notify().catch((error) => {
        this.failures.push({ at: Date.now(), code: error.code ?? null, message: error.message });
        return sleep(EVERY_MS);
      });
    }
  }

  async #notify() {
    const client = await this.cluster.session('notifier');
    try {
      while (!this.#isStopped) {
        const number = this.#next++;
        await client.query(`select pg_notify('soak', $1)`, [String(number)]);
        this.acknowledged.push(number);
        await sleep(EVERY_MS);
      }
    } finally {
      await client.end().catch(() => {});
    }
  }
}
