import type { ClusterPhase } from '@borealis/engine';
import type { ClusterState } from './state.js';

/** One thing that must be so before the next. Each is adopt-or-create: it may have been half done by an earlier keeper. */
export interface Step {
  /** Shown while it runs; null leaves a cluster that is ready ready. */
  phase: ClusterPhase | null;
  /** A sentence for people. */
  detail: string;
  isDone(state: ClusterState): boolean;
  run(state: ClusterState): Promise<void>;
  /** Milliseconds to let pass before it is tried. */
  wait?(state: ClusterState): number;
}
