import { EngineError } from '@borealis/engine';
import type { ClusterState } from '../cluster/state.js';
import { refuseDuringMajor } from '../major/refuse.js';

export interface WantedRestart {
  /** Chosen by the caller: `record.lastRestart` bears it when the restart has ended. */
  request: string;
  /** The release to put in place, by PostgreSQL's own number. */
  to: string;
  /** True: another release is tried on a copy of the data first. */
  isTried: boolean;
  /** How long open transactions are waited for, in seconds; then what is still open is closed. */
  patienceSeconds: number;
}

/**
 * Notes that the server is to be restarted with the release `to`, while the gateway holds its sessions; returns when that is safe on disk.
 * The reconciler does it: `record.next` is there until it has ended, then `record.lastRestart` tells what came of it. On success `record.version`
 * is `to`; when the server does not start by it, it runs as before. Asked again for the same it changes nothing; throws `conflict` while
 * another one is under way.
 */
export async function planRestart(state: ClusterState, wanted: WantedRestart): Promise<void> {
  const { journal } = state;
  await journal.update((record) => {
    refuseDuringMajor(record);
    const { request, to, isTried, patienceSeconds } = wanted;
    if (record.next) {
      if (record.next.to === to) return {};
      throw new EngineError('conflict', `Another restart of "${record.id}" is under way.`);
    }
    const outcome = { closeAfter: null, failure: null, blamesRelease: false };
    return { next: { request, to, stage: 'preparing', isTried, patienceSeconds, ...outcome } };
  });
  state.wake();
}
