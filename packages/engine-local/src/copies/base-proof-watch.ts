import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeScratch } from '../backups/scratch.js';
import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { Alarm, type Trouble } from '../events/alarm.js';
import { Mutex } from '../system/mutex.js';
import { BASE_POLICY, dueForProof } from './base-policy.js';
import { listBases } from './bases.js';
import type { KeptProof } from './kept-proof.js';
import { proveBase } from './prove-base.js';

const LOOK_MS = 5000;
/** After attempts that said nothing the pauses double up to this. */
const LONGEST_PAUSE_MS = 3_600_000;
/** So many of them in a row are told. */
const PATIENCE = 3;

const PROOF_TROUBLE: Trouble = {
  failing: 'proofs-failing',
  recovered: 'proofs-recovered',
  noted: 'proofsFailing',
  well: 'The newest base and the log since can be restored again.',
};

/** One at a time in the whole process, beside what backups and bases are waited for: the disk is the tenants'. */
const proving = new Mutex();

/**
 * Proves the bases of a cluster as the policy asks, until `signal` says so: keeps what was found in the record, and tells it. What a killed
 * keeper was proving is removed, and proven anew.
 */
export async function watchBaseProofs(state: ClusterState, signal: AbortSignal): Promise<void> {
  const watch = new ProofWatch(state, signal);
  await watch.tidy();
  while (!signal.aborted) await sleep(await watch.look(), undefined, { signal }).catch(() => undefined);
}

class ProofWatch {
  #failures = 0;
  readonly #alarm: Alarm;

  constructor(
    private readonly state: ClusterState,
    private readonly signal: AbortSignal,
  ) {
    this.#alarm = new Alarm(state, PROOF_TROUBLE);
  }

  /** Removes what a killed keeper has left; what cannot be removed now is before the next proof. */
  async tidy(): Promise<void> {
    const { journal } = this.state;
    const { proof, proofSockets, proofStage } = journal.paths;
    if (![proof, proofSockets, proofStage].some((path) => existsSync(path))) return;
    try {
      await removeScratch(journal, 'proof');
      await rm(proofStage, { recursive: true, force: true, maxRetries: 5 });
    } catch (error) {
      this.#log(error, 'what an earlier keeper left of a proof could not be removed');
    }
  }

  /** Proves what is due; gives the milliseconds until the next look. */
  async look(): Promise<number> {
    try {
      await this.#prove();
    } catch (error) {
      if (this.signal.aborted) return 0;
      this.#log(error, 'a base could not be proven; it is tried again');
      if (++this.#failures >= PATIENCE) await this.#tell(`A base could not be proven: ${toEngineError(error).message}`);
      return Math.min(LONGEST_PAUSE_MS, LOOK_MS * 2 ** Math.min(this.#failures, 12));
    }
    this.#failures = 0;
    return LOOK_MS;
  }

  async #prove(): Promise<void> {
    const { journal, context } = this.state;
    if (!this.#isReady()) return;
    const policy = { ...BASE_POLICY, ...context.options.bases };
    const isDue = async () =>
      dueForProof(await listBases(journal.paths.bases), journal.record.baseProof, policy, Date.now());
    if (!(await isDue())) return;
    await proving.run(async () => {
      // It may have waited for long.
      const base = await isDue();
      if (this.signal.aborted || !this.#isReady() || !base) return;
      await this.#keep(await proveBase(this.state, base, this.signal));
    });
  }

  #isReady(): boolean {
    const { phase, server, journal } = this.state;
    return phase === 'ready' && server !== null && journal.record.major === null;
  }

  /** Told first: killed in between it is proven again, and not told again. */
  async #keep(proof: KeptProof): Promise<void> {
    const { journal, context } = this.state;
    const clusterId = journal.record.id;
    await this.#alarm.tell(proof.failure);
    if (proof.failure === null) {
      const { databases, tables, rows, indexes } = proof.checked;
      const what = `The base of ${proof.base} was restored to ${proof.upTo} in ${proof.seconds} s: ${databases} databases, ${tables} tables, ${rows} rows and ${indexes} indexes were read.`;
      context.log.info({ cluster: clusterId, proof }, 'a base was proven');
      await context.events.append([{ clusterId, type: 'base-proven', seq: 0, at: proof.at, what }]);
    }
    await journal.update(() => ({ baseProof: proof }));
  }

  /** An alarm that cannot be kept now, since the disk is full, is tried again at the next look. */
  async #tell(failure: string): Promise<void> {
    await this.#alarm.tell(failure).catch((error: unknown) => this.#log(error, 'trouble could not be told'));
  }

  #log(err: unknown, what: string): void {
    this.state.context.log.error({ cluster: this.state.journal.record.id, err }, what);
  }
}
