import type { ClusterOrigin } from '@borealis/engine';
import type { ClusterRecord } from '../cluster/record.js';

/** What a cluster still has to be made from; null once it is one of its own, and for one that begins empty. */
export function pendingOrigin({ spec, born }: ClusterRecord): ClusterOrigin | null {
  return born ? null : (spec.origin ?? null);
}
