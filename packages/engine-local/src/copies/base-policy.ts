import type { Base } from './bases.js';

/** When bases are made and how long they are kept; all in seconds. */
export interface BasePolicy {
  /** From the moment when a cluster first has clients to its first base: setting it up comes first. */
  first: number;
  /** Between two bases where each takes its whole size on the disk, and where it shares blocks. */
  plainEvery: number;
  reflinkEvery: number;
  /** Bases older than a day are thinned out to one in so many, likewise: a longer replay costs less than one more copy of everything. */
  plainOldEvery: number;
  reflinkOldEvery: number;
  /** Every moment of so long can be restored. */
  keep: number;
  /** The newest base that is at least so old is proven, and again after so long; both apart from what is found to be bad. */
  proveAfter: number;
  proveEvery: number;
}

type Dated = Pick<Base, 'method' | 'stoppedAt'>;

const DAY = 86_400;
export const BASE_POLICY: BasePolicy = {
  first: 60,
  plainEvery: DAY,
  reflinkEvery: 3600,
  plainOldEvery: 7 * DAY,
  reflinkOldEvery: DAY,
  keep: 7 * DAY,
  proveAfter: 3600,
  proveEvery: DAY,
};

/** True when the newest base is too old for the replay to be short. */
export function isDue(newest: Dated, policy: BasePolicy, now: number): boolean {
  const every = newest.method === 'reflink' ? policy.reflinkEvery : policy.plainEvery;
  return ageOf(newest, now) >= every;
}

/**
 * The base that is to be proven now; null: none. After a proof that has failed the next base is not waited for as long: it may be good.
 */
export function dueForProof<T extends Dated>(
  bases: readonly T[],
  last: { at: string; base: string; failure: string | null } | null,
  policy: BasePolicy,
  now: number,
): T | null {
  const base = bases.findLast((one) => ageOf(one, now) >= policy.proveAfter);
  if (!base || last === null) return base ?? null;
  const isOver = now - Date.parse(last.at) >= policy.proveEvery * 1000;
  return isOver || (last.failure !== null && last.base < base.stoppedAt) ? base : null;
}

/** What is not needed of these bases, oldest first; never the newest. */
export function superfluous<T extends Dated>(bases: readonly T[], policy: BasePolicy, now: number): T[] {
  const gone: T[] = [];
  let kept: T | null = null;
  for (const [index, base] of bases.entries()) {
    const next = bases[index + 1];
    if (!next) break;
    const isBeyond = ageOf(next, now) >= policy.keep;
    const oldEvery = base.method === 'reflink' ? policy.reflinkOldEvery : policy.plainOldEvery;
    const isClose = kept !== null && ageOf(base, now) >= DAY && ageOf(kept, now) - ageOf(base, now) < oldEvery;
    if (isBeyond || isClose) gone.push(base);
    else kept = base;
  }
  return gone;
}

const ageOf = ({ stoppedAt }: Dated, now: number) => (now - Date.parse(stoppedAt)) / 1000;
