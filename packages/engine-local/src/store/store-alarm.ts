import type { ClusterState } from '../cluster/state.js';
import { Alarm, type Trouble } from '../events/alarm.js';

/** A store may be out for a moment: so long it is nobody's business. */
const LATE_MS = 60_000;

const STORE_TROUBLE: Trouble = {
  failing: 'store-failing',
  recovered: 'store-recovered',
  noted: 'storeFailing',
  well: 'The backup is complete in the store again.',
};

/** Tells when a cluster's way into the store fails for long, and when it is well again. */
export class StoreAlarm {
  #sentence: string | null = null;
  #since = 0;
  readonly #alarm: Alarm;

  constructor(private readonly state: ClusterState) {
    this.#alarm = new Alarm(state, STORE_TROUBLE);
  }

  /** `error` is why it fails now; null when all is in the store. Nothing is thrown: what cannot be told now is told later. */
  async tell(error: unknown): Promise<void> {
    const { context, journal } = this.state;
    const cluster = journal.record.id;
    const sentence = error === null ? null : error instanceof Error ? error.message : String(error);
    if (sentence !== null && sentence !== this.#sentence)
      context.log.error({ cluster, err: error }, 'the backup could not be brought into the store; it is tried again');
    if (this.#sentence === null) this.#since = Date.now();
    this.#sentence = sentence;
    const lateMs = context.options.store?.lateMs ?? LATE_MS;
    if (sentence !== null && Date.now() - this.#since <= lateMs) return;
    await this.#alarm.tell(sentence).catch((cause: unknown) => {
      context.log.error({ cluster, err: cause }, 'the state of the store could not be told');
    });
  }
}
