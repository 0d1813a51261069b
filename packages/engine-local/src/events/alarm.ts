import type { TroubleEventType } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';

/** One kind of trouble that a cluster can be in for long. */
export interface Trouble {
  failing: TroubleEventType;
  recovered: TroubleEventType;
  /** Where the record says that its beginning was told and its end was not. */
  noted: 'archiveFailing' | 'basesFailing' | 'storeFailing' | 'proofsFailing';
  /** What is told at its end. */
  well: string;
}

/** Tells when trouble begins and when it is over, each once, also over lives of the keeper. */
export class Alarm {
  #failing: boolean;

  constructor(
    private readonly state: ClusterState,
    private readonly trouble: Trouble,
  ) {
    this.#failing = state.journal.record[trouble.noted];
  }

  /** `failure` is the sentence that says why; null when nothing fails. */
  async tell(failure: string | null): Promise<void> {
    const { journal, context } = this.state;
    const { noted, well } = this.trouble;
    const clusterId = journal.record.id;
    const failing = failure !== null;
    if (failing !== this.#failing) {
      const type = failing ? this.trouble.failing : this.trouble.recovered;
      const what = failure ?? well;
      context.log[failing ? 'error' : 'warn']({ cluster: clusterId, what }, type);
      await context.events.append([{ clusterId, type, seq: 0, at: new Date().toISOString(), what }]);
      this.#failing = failing;
    }
    if (journal.record[noted] !== failing) await journal.update(() => ({ [noted]: failing }));
  }
}
