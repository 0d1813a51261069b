import type { Release } from '@borealis/postgres';

/** What this keeper knows of a change of the major under way; the rest is in the cluster's record. */
export interface MajorState {
  /** For people: what is being done. */
  sentence: string;
  /** When to try to hold the sessions, in milliseconds since 1970, and how often that, or what follows, failed when it was late. */
  nextTryAt: number;
  failures: number;
  /** True while nobody but the keeper may come into the primary. */
  isClosed: boolean;
  /** Of the server that takes over. */
  release: Release | null;
}

export function newMajorState(): MajorState {
  return { sentence: '', nextTryAt: 0, failures: 0, isClosed: false, release: null };
}
