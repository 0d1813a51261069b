import type { ClusterRecord } from '../cluster/record.js';
import type { Footing } from './restart-record.js';

/** What the server is to be started by now: what is planned next counts from the moment on at which it was decided. */
export function footingOf(record: ClusterRecord): Footing {
  return record.next?.stage === 'switching' ? record.next.to : settledFooting(record);
}

/** What the server ran by before, and runs by again when what is planned fails. */
export function settledFooting({ version, spec: { vcpu, memoryGiB } }: ClusterRecord): Footing {
  return { version, vcpu, memoryGiB };
}
