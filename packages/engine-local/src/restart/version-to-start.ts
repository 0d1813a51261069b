import type { ClusterRecord } from '../cluster/record.js';

/**
 * The release, by PostgreSQL's own number, that the server is to be started by now: what is planned next counts from the moment on at which it
 * was decided.
 */
export function versionToStart({ next, version }: ClusterRecord): string {
  return next?.stage === 'switching' ? next.to : version;
}
