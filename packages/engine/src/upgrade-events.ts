/** What became of the sessions while one server took over from another. */
export interface SessionsMoved {
  /** Milliseconds; this and `kept` are null where it is not known. */
  pauseMs: number | null;
  /** Sessions that live on. */
  kept: number | null;
  /** By the kind of what could not be carried over. */
  closed: Record<string, number>;
}

/** Another minor release was put in place, or could not be: then `what` says why, and the cluster runs by `from`. */
export type MinorUpgradeEvent =
  | { type: 'minor-upgrade-started'; from: string; to: string }
  | ({ type: 'minor-upgrade-completed'; from: string; to: string } & SessionsMoved)
  | { type: 'minor-upgrade-failed'; from: string; to: string; what: string };

/**
 * A server of another major took over, or the former one again (`reverted`); or neither: then the cluster runs by `from`. Whoever compares values of
 * `xmin` or object ids has to begin anew after it.
 */
export type MajorUpgradeEvent =
  | { type: 'major-upgrade-started' | 'major-upgrade-cancelled'; from: string; to: string }
  | ({ type: 'major-upgrade-completed' | 'major-upgrade-reverted'; from: string; to: string } & SessionsMoved)
  | { type: 'major-upgrade-failed'; from: string; to: string; what: string };
