import type { StorageReason, StorageStatus } from '../schema.js';
import type { StoragePolicy } from './storage-policy.js';

/** What is known of one add-on's storage at one moment. */
export interface StorageFacts {
  status: StorageStatus;
  reason: StorageReason | null;
  usage: number;
  limit: number;
  /** The deadline of a violation has passed. */
  isOverdue: boolean;
  /** A clean-up window was open and its time is over. */
  isWindowOver: boolean;
  /** The disk is known to have plenty of room. */
  isDiskAmple: boolean;
}

/** What is to be done; null: nothing changes. */
export type Verdict =
  | { to: 'ok' | 'proximity-warning' | 'violating' }
  | { to: 'restricted'; reason: 'deadline' | 'excess' }
  | { to: 'restricted'; endWindow: true }
  | null;

/** Every transition between the states of an add-on's storage, but for the emergency of a full disk. */
export function judge(facts: StorageFacts, policy: StoragePolicy): Verdict {
  const share = facts.usage / facts.limit;
  if (facts.status === 'restricted') {
    const isOver = facts.reason === 'disk' ? facts.isDiskAmple : share < policy.violateEnd;
    if (isOver) return { to: level(share, policy) };
    return facts.isWindowOver ? { to: 'restricted', endWindow: true } : null;
  }
  if (share >= policy.excessAt) return { to: 'restricted', reason: 'excess' };
  if (facts.status === 'violating') {
    if (share < policy.violateEnd) return { to: level(share, policy) };
    return facts.isOverdue ? { to: 'restricted', reason: 'deadline' } : null;
  }
  const end = facts.status === 'ok' ? policy.warnAt : policy.warnEnd;
  const to = level(share, { ...policy, warnAt: end });
  return to === facts.status ? null : { to };
}

function level(share: number, policy: StoragePolicy): 'ok' | 'proximity-warning' | 'violating' {
  if (share >= policy.violateAt) return 'violating';
  return share >= policy.warnAt ? 'proximity-warning' : 'ok';
}
