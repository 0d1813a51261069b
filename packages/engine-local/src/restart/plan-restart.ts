import { EngineError } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import { settledFooting } from './footing.js';
import { type Footing, plannedRestart } from './restart-record.js';

export interface WantedRestart {
  /** Chosen by the caller: `record.lastRestart` bears it when the restart has ended. */
  request: string;
  /** What the server is to run by; what is left out stays. */
  to: Partial<Footing>;
  /** True: another release is tried on a copy of the data first. */
  isTried: boolean;
  /** How long open transactions are waited for, in seconds; then what is still open is closed. */
  patienceSeconds: number;
}

/**
 * Notes that the server is to be restarted with what `to` says, while the gateway holds its sessions; returns when that is safe on disk.
 * The reconciler does it: `record.next` is there until it has ended, then `record.lastRestart` tells what came of it. On success `record.version`
 * and the size in `record.spec` are those of `to`; when the server does not start by them it runs as before, and they stay. Asked again
 * for the same it changes nothing; throws `conflict` while another one is under way.
 */
export async function planRestart(state: ClusterState, wanted: WantedRestart): Promise<void> {
  const { journal } = state;
  await journal.update((record) => {
    const to = { ...settledFooting(record), ...wanted.to };
    if (record.next) {
      if (isSameFooting(record.next.to, to)) return {};
      throw new EngineError('conflict', `Another restart of "${record.id}" is under way.`);
    }
    const { request, isTried, patienceSeconds } = wanted;
    const stage = 'preparing';
    return {
      next: plannedRestart.parse({
        ...{ request, to, stage, isTried, patienceSeconds, closeAfter: null, failure: null },
      }),
    };
  });
  state.wake();
}

export function isSameFooting(one: Footing, other: Footing): boolean {
  return one.version === other.version && one.vcpu === other.vcpu && one.memoryGiB === other.memoryGiB;
}
