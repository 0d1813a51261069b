import type { Target } from '../../front.js';
import { Refused } from '../refusals.js';
import type { Runtime } from '../runtime.js';
import type { Session } from '../session/session.js';
import { Lanes } from './at-once.js';
import { reopen } from './reopen.js';
import type { SessionState } from './state.js';

/** How long a session waits for a server after its own has died. */
const PATIENCE_MS = 15_000;

interface Orphan {
  state: SessionState;
  deadline: number;
  attempt: AbortController;
  /** Whether it goes on. */
  done: Promise<boolean>;
}

/** The servers have changed: what was tried is to be tried anew. */
class Moved extends Error {}

/** Sessions whose server has died and whose state is known: they go on once there is a server again, the same or another. */
export class Orphans {
  readonly #orphans = new Map<Session, Orphan>();
  /** All of them at once would only be in the way of the server that comes, and of those who want it now. */
  readonly #lanes: Record<Target, Lanes> = { primary: new Lanes(), replica: new Lanes() };

  constructor(private readonly runtime: Runtime) {}

  /** Resolves when none waits any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#orphans.values()].map(({ done }) => done));
  }

  /** Looks after a session with this state; `ended` hears how it went. */
  adopt(session: Session, state: SessionState, ended: (kept: boolean, cause?: unknown) => void): void {
    session.abandon();
    const orphan: Orphan = {
      ...{ state, deadline: performance.now() + PATIENCE_MS, attempt: new AbortController() },
      done: Promise.resolve(false),
    };
    this.#orphans.set(session, orphan);
    const revived = this.#lanes[session.parts.target].run(
      () => this.#revive(session, orphan),
      () => session.wantsServer,
    );
    orphan.done = revived.then(
      () => this.#ended(session, ended, true),
      (error) => this.#ended(session, ended, false, error),
    );
  }

  /** Those that were adopted in time try the servers of the configuration in force; tells how many of them go on. */
  async redirect(): Promise<number> {
    const all = [...this.#orphans.values()];
    for (const orphan of all) {
      orphan.attempt.abort(new Moved());
      orphan.attempt = new AbortController();
    }
    const results = await Promise.all(all.map(({ done }) => done));
    return results.filter((kept) => kept).length;
  }

  /** Nothing is tried any more. */
  stop(): void {
    for (const { attempt } of this.#orphans.values()) attempt.abort(new Refused('administrator'));
  }

  async #revive(session: Session, orphan: Orphan): Promise<void> {
    for (;;) {
      const { signal } = orphan.attempt;
      const left = Math.max(1, Math.ceil(orphan.deadline - performance.now()));
      const { claim, target } = session.parts;
      if (!session.atRest || !this.runtime.access.allows(claim)) throw new Refused('administrator');
      try {
        const bounded = AbortSignal.any([signal, AbortSignal.timeout(left)]);
        await reopen(session, { state: orphan.state, locks: [], cursors: [] }, this.runtime.places.of(target), bounded);
        return;
      } catch (error) {
        if (!(signal.reason instanceof Moved)) throw error;
      }
    }
  }

  #ended(session: Session, ended: (kept: boolean, cause?: unknown) => void, kept: boolean, cause?: unknown): boolean {
    this.#orphans.delete(session);
    if (kept) session.release();
    ended(kept, cause);
    return kept;
  }
}
