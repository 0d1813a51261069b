import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  isServerAlive,
  type ReplicationStatus,
  readReplication,
  type StandbyStatus,
} from '@borealis/postgres';
import type { StandbyRecord } from '../cluster/record.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { goOnWithout, makeEligible } from './protection.js';
import { isReplicated, nodeName, nodesWith } from './roles.js';
import { LogSamples } from './samples.js';
import { giveUp } from './standby-watch.js';

const LOOK_MS = 200;
const IDLE_MS = 1000;
/** A status that takes longer is none; whether the primary hangs is for another to judge. */
const ANSWER_MS = 5000;
/** A required standby that is not fed for so long, or has written nothing for so long of what commits wait for, is lost. */
const LOST_MS = 1000;
const STUCK_MS = 5000;
/** The same where another standby has everything, so that nothing is lost by going on without this one. */
const SPARE_LOST_MS = 300;
const SPARE_STUCK_MS = 2000;
/** One that follows and is fed by nobody for so long, with the primary there, cannot go on. */
const CANNOT_MS = 60_000;
/** Reads go to a standby whose data is at most so old, from the moment on when it was close behind. */
const READ_LAG_MS = 10_000;
const CLOSE_LAG_MS = 1000;

type Client = Awaited<ReturnType<typeof connect>>;

/** What is remembered of a standby from look to look; times in milliseconds. */
interface Seen {
  streamingAt: number;
  flushed: number;
  /** When it last wrote something, or had nothing to write. */
  progressAt: number;
}

/**
 * Watches how the standbys follow their primary, until `signal` says so: goes on without one that is lost, has commits wait for one that
 * caught up, and says which one reads go to.
 */
export async function watchReplication(state: ClusterState, signal: AbortSignal): Promise<void> {
  const watch = new ReplicationWatch(state, signal);
  while (!signal.aborted) await sleep(await watch.look(), undefined, { signal }).catch(() => undefined);
  await watch.close();
}

class ReplicationWatch {
  #client: Client | null = null;
  /** Of the primary that the client is connected to. */
  #generation = 0;
  #making: Promise<void> | null = null;
  readonly #seen = new Map<number, Seen>();
  readonly #samples = new LogSamples(2 * READ_LAG_MS);

  constructor(
    private readonly state: ClusterState,
    private readonly signal: AbortSignal,
  ) {}

  /** Looks once; gives the milliseconds until the next look. */
  async look(): Promise<number> {
    const { state } = this;
    if (!isReplicated(state.journal.record)) return IDLE_MS;
    try {
      const status = await this.#ask();
      // What a primary that has just died still says of its standbys is no reason to give one up.
      if (status && state.server && (await isServerAlive(state.server))) await this.#judge(status);
    } catch (error) {
      await this.#forget();
      if (this.signal.aborted) return 0;
      if (state.server && !(await isServerAlive(state.server))) state.wake();
      else
        state.context.log.warn({ cluster: state.journal.record.id, err: error }, 'the standbys could not be looked at');
    }
    return LOOK_MS;
  }

  async close(): Promise<void> {
    await this.#forget();
    await this.#making;
  }

  /** Null while there is no primary to ask. */
  async #ask(): Promise<ReplicationStatus | null> {
    const { state } = this;
    const { generation } = state.journal.record;
    if (this.#generation !== generation) await this.#forget();
    if (!state.server || !state.promoted) {
      // Time that passes without a primary is not the standbys' fault.
      await this.#forget();
      return null;
    }
    if (!this.#client) {
      this.#client = await connect(serverSpec(state));
      this.#generation = generation;
      // Its end is the first sign of a primary that died.
      this.#client.once('end', () => state.wake());
    }
    const answer = readReplication(this.#client);
    answer.catch(() => undefined);
    const late = sleep(ANSWER_MS, null, { ref: false }).then(() => {
      throw new Error(`The primary did not answer within ${ANSWER_MS} ms.`);
    });
    return Promise.race([answer, late]);
  }

  async #judge(status: ReplicationStatus): Promise<void> {
    const { state } = this;
    const now = Date.now();
    this.#samples.add(now, status.flushed);
    const { standbys } = state.journal.record;
    for (const standby of standbys) {
      const found = status.standbys.find(({ name }) => name === nodeName(standby.node));
      await this.#judgeOne(standby, found, status.flushed, now);
    }
    await this.#chooseReads(status, now);
  }

  async #judgeOne(
    { node, role }: StandbyRecord,
    found: StandbyStatus | undefined,
    end: number,
    now: number,
  ): Promise<void> {
    const seen = this.#seen.get(node) ?? { streamingAt: now, flushed: 0, progressAt: now };
    this.#seen.set(node, seen);
    if (found) {
      if (found.isStreaming || role === 'following') seen.streamingAt = now;
      if (found.flushed !== seen.flushed || found.flushed >= end) seen.progressAt = now;
      seen.flushed = found.flushed;
    }
    const missing = now - seen.streamingAt;
    if (role === 'required' || role === 'eligible') {
      const stuck = found ? now - seen.progressAt : 0;
      const isSpare = nodesWith(this.state.journal.record, 'eligible').some((other) => other !== node);
      if (missing > (isSpare ? SPARE_LOST_MS : LOST_MS))
        await goOnWithout(this.state, node, `The standby ${nodeName(node)} is gone.`);
      else if (stuck > (isSpare ? SPARE_STUCK_MS : STUCK_MS))
        await goOnWithout(this.state, node, `The standby ${nodeName(node)} writes nothing any more.`);
      else if (role === 'required') this.#makeEligible(node);
    } else if (role === 'following') {
      if (missing > CANNOT_MS) await giveUp(this.state, node);
      else if (found?.isStreaming && this.#samples.lag(found.flushed, now) < CLOSE_LAG_MS) this.#makeEligible(node);
    }
  }

  /** Beside the looks, since it waits for a checkpoint; one standby at a time. */
  #makeEligible(node: number): void {
    const { state, signal } = this;
    this.#making ??= makeEligible(state, node, signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          state.context.log.warn(
            { cluster: state.journal.record.id, node, err: error },
            'a standby is not required yet',
          );
      })
      .finally(() => {
        this.#making = null;
      });
  }

  async #chooseReads(status: ReplicationStatus, now: number): Promise<void> {
    const { journal } = this.state;
    const { reads, standbys } = journal.record;
    const lagOf = (node: number) => {
      const found = status.standbys.find(({ name }) => name === nodeName(node));
      return found?.isStreaming ? this.#samples.lag(found.replayed, now) : Number.POSITIVE_INFINITY;
    };
    const nodes = standbys.filter(({ role }) => role !== 'stale').map(({ node }) => node);
    if (reads !== null && nodes.includes(reads) && lagOf(reads) <= READ_LAG_MS) return;
    const next = nodes.find((node) => lagOf(node) < CLOSE_LAG_MS) ?? null;
    if (next === reads) return;
    await journal.update((record) => (record.generation === this.#generation ? { reads: next } : {}));
    this.state.wake();
  }

  async #forget(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    this.#samples.clear();
    this.#seen.clear();
    // Not waited for: the server may hang.
    void client?.end().catch(() => undefined);
  }
}
