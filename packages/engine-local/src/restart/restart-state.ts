/** Sessions that are held, and what became of them. */
export interface Pause {
  /** Milliseconds since 1970. */
  since: number;
  closed: Record<string, number>;
  /** Null as long as they are held. */
  ended: { milliseconds: number; kept: number; closed: Record<string, number> } | null;
}

/** What this keeper knows of a planned restart; the rest is in the cluster's record. */
export interface RestartState {
  /** By which release it has started the running server; null: it was found running. */
  startedBy: string | null;
  /** The work before the restart; null as long as it was not begun. Its outcome is why there is to be no restart, or null. */
  preparation: { isSettled: boolean; outcome: Promise<string | null> } | null;
  /** When to try to hold the sessions, in milliseconds since 1970. */
  nextTryAt: number;
  pause: Pause | null;
  /** Of a change of size: until when what cannot be held is waited for, in milliseconds since 1970; null before it was tried. */
  patientUntil: number | null;
  /** For people: what is being done. */
  sentence: string;
}

export function newRestartState(): RestartState {
  return { startedBy: null, preparation: null, nextTryAt: 0, pause: null, patientUntil: null, sentence: '' };
}
