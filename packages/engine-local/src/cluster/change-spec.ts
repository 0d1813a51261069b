import { isDeepStrictEqual } from 'node:util';
import { type ClusterSpec, EngineError } from '@borealis/engine';
import { refuseDuringMajor } from '../major/refuse.js';
import type { ChangeRecord } from './record.js';
import type { ClusterState } from './state.js';

/**
 * Notes that the cluster is to run by another specification, and wakes its loop, which sees to it (see `spec-steps.ts`). Of several changes the
 * last one counts; what the cluster ran by before the first of them is kept until it is through.
 */
export async function changeSpec(state: ClusterState, asked: ClusterSpec): Promise<void> {
  const { journal } = state;
  await journal.update(({ id, wanted, born, spec, change, major }) => {
    if (wanted === 'gone') throw new EngineError('conflict', `The cluster "${id}" is being destroyed.`);
    if (!born) throw new EngineError('not_ready', `The cluster "${id}" is still being made.`);
    refuseDuringMajor({ id, major });
    const next = { ...asked, origin: spec.origin };
    refuseOtherKind(spec, next);
    if (isDeepStrictEqual(plain(spec), plain(next))) return { changeFailure: null };
    const from = change?.from ?? spec;
    const largest = largestOf([from, spec, next, ...(change?.largest ? [change.largest] : [])]);
    return { spec: plain(next), change: { from, largest, stage: 'primary' }, changeFailure: null };
  });
  state.trouble = null;
  state.wake();
}

/** True when that is why PostgreSQL did not start: the cluster is then to run by its former specification again. */
export async function takeBackChange({ journal, context }: ClusterState, error: unknown): Promise<boolean> {
  const { id, change, spec } = journal.record;
  if (change?.stage !== 'primary' || isDeepStrictEqual(spec, change.from)) return false;
  const reason = error instanceof Error ? error.message : String(error);
  context.log.error(
    { cluster: id, err: error },
    'PostgreSQL does not start in its new size and gets its former one back',
  );
  await journal.update((record) => ({ spec: record.change?.from ?? record.spec, changeFailure: reason }));
  return true;
}

function refuseOtherKind(from: ClusterSpec, to: ClusterSpec): void {
  if (to.major !== from.major)
    throw new EngineError(
      'unsupported',
      `The cluster has PostgreSQL ${from.major}, which such a change leaves as it is.`,
    );
  if (to.tenancy !== from.tenancy)
    throw new EngineError(
      'unsupported',
      'A cluster cannot become one of another tenancy; its data can be copied to one.',
    );
}

function largestOf(sizes: readonly Pick<ClusterSpec, 'vcpu' | 'memoryGiB'>[]): ChangeRecord['largest'] {
  return {
    vcpu: Math.max(...sizes.map(({ vcpu }) => vcpu)),
    memoryGiB: Math.max(...sizes.map(({ memoryGiB }) => memoryGiB)),
  };
}

/** Without the keys that have no value, as it is after a trip through the journal. */
function plain(spec: ClusterSpec): ClusterSpec {
  const { origin, ...size } = spec;
  return origin ? spec : size;
}
