import { Refused } from '../refusals.js';
import type { Runtime } from '../runtime.js';
import type { Session } from '../session/session.js';
import { type Closed, closeInstead, kindOf, lateKind } from './closings.js';
import type { Orphans } from './orphans.js';
import type { Snapshots } from './snapshots.js';
import { type ClosedKind, outlivesReading, type SessionState } from './state.js';

/** Sessions that were closed longer ago have nothing to do with a change of servers. */
const RECENT_MS = 60_000;

/** Sessions whose server is gone, or is not theirs any more, without having been asked to let them go. */
export class Failover {
  /** When sessions were closed because their server died, and as what. */
  #lost: { at: number; kind: ClosedKind }[] = [];

  constructor(
    private readonly runtime: Runtime,
    private readonly orphans: Orphans,
    private readonly snapshots: Snapshots,
  ) {}

  /**
   * A session's server process is gone without having left it on purpose. True: the session's state is known, and it waits for a
   * server to go on with; nothing of it can have been lost.
   */
  adopt(session: Session): boolean {
    const { idle } = session.conversation;
    const state = !this.runtime.mover.holding && idle ? this.snapshots.of(session) : null;
    if (!state || !outlivesServer(state)) {
      const kind = this.#lose(idle ? 'server' : lateKind(session));
      this.runtime.count(`sessions_closed_${kind}`);
      return false;
    }
    this.runtime.count('sessions_waiting');
    this.orphans.adopt(session, state, (kept, cause) => {
      if (kept) this.runtime.count('sessions_kept');
      else closeInstead(this.runtime, session, {}, { kind: this.#lose(kindOf(cause, 'server')), cause });
    });
    return true;
  }

  /**
   * Other servers are in force than those that sessions are on: those that are known go on there, the rest ends, and not a byte is
   * forwarded to the old ones. Tells what has become of all, and of those whose server had died just before.
   */
  async redirect(outdated: readonly Session[]): Promise<{ kept: number; closed: Closed }> {
    for (const session of outdated) {
      if (!this.adopt(session)) session.fence(new Refused('administrator'));
    }
    const kept = await this.orphans.redirect();
    const recent = this.#lost.filter(({ at }) => performance.now() - at < RECENT_MS);
    this.#lost = [];
    const closed: Closed = {};
    for (const { kind } of recent) closed[kind] = (closed[kind] ?? 0) + 1;
    return { kept, closed };
  }

  #lose(kind: ClosedKind): ClosedKind {
    this.#lost.push({ at: performance.now(), kind });
    return kind;
  }
}

/** Nothing of it went down with the server: locks, rows, and what it would have been notified of meanwhile. */
const outlivesServer = (state: SessionState): boolean => outlivesReading(state) && state.channels.length === 0;
