import { EngineError } from '@borealis/engine';
import type { ClusterRecord } from '../cluster/record.js';

/** Throws `conflict` while a server of another major is being made: what is refused here would not be in it, or stop it. */
export function refuseDuringMajor({ id, major }: Pick<ClusterRecord, 'id' | 'major'>): void {
  if (major !== null)
    throw new EngineError(
      'conflict',
      `"${id}" is on its way to PostgreSQL ${major.major}; wait for the end, or cancel it.`,
    );
}
