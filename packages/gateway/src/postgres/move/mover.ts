import { HOLD_SECONDS } from '@borealis/contract';
import { Refused } from '../refusals.js';
import type { Runtime } from '../runtime.js';
import type { Session } from '../session/session.js';
import { PeerGone } from '../wire/packet-reader.js';
import { forEachAtOnce } from './at-once.js';
import { captureState } from './capture.js';
import { reopen } from './reopen.js';
import { type ClosedKind, type SessionState, Unmovable } from './state.js';

/** Time for the whole way back, opening servers included. */
const RESUME_MS = 25_000;

/** How many sessions were closed instead of moved, by kind. */
export type Closed = Record<string, number>;

/**
 * Takes all sessions from their server processes to others, behind one barrier: none goes on before the state of all is taken,
 * nor before it is back, so that no notification is lost between two of them.
 */
export class Mover {
  #phase: 'open' | 'holding' | 'held' | 'resuming' = 'open';
  #held = new Map<Session, SessionState>();
  #left: Promise<unknown> = Promise.resolve();
  #deadline: NodeJS.Timeout | undefined;

  constructor(private readonly runtime: Runtime) {}

  /** Sessions have left their servers, and go on with `resume`. */
  get held(): boolean {
    return this.#phase === 'held';
  }

  /**
   * Brings all sessions to rest, takes their state and leaves the servers. Throws, with everything released, when that is not
   * possible within `seconds` and `late` is `abort`; with `close` it ends the sessions that are in the way.
   */
  async hold(seconds: number, late: 'abort' | 'close'): Promise<{ held: number; closed: Closed }> {
    if (this.#phase !== 'open') throw new Error('The sessions are held already.');
    this.#phase = 'holding';
    this.runtime.gate.close();
    try {
      const closed: Closed = {};
      await this.#rest(seconds, late, closed);
      await this.#capture(late, closed);
      this.#leave();
      return { held: this.#held.size, closed };
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Opens the sessions again by the configuration in force, and lets all go on. Not held: does nothing. */
  async resume(): Promise<{ kept: number; closed: Closed }> {
    const closed: Closed = {};
    if (this.#phase !== 'held') return { kept: 0, closed };
    clearTimeout(this.#deadline);
    this.#phase = 'resuming';
    const signal = AbortSignal.timeout(RESUME_MS);
    let kept = 0;
    await this.#left;
    await forEachAtOnce([...this.#held], async ([session, state]) => {
      if (await this.#reopen(session, state, signal, closed)) kept++;
    });
    this.#release();
    this.runtime.count('sessions_kept', kept);
    return { kept, closed };
  }

  /** The gateway stops: nothing is to be opened any more. */
  stop(): void {
    clearTimeout(this.#deadline);
  }

  async #rest(seconds: number, late: 'abort' | 'close', closed: Closed): Promise<void> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), seconds * 1000);
    try {
      await Promise.race([this.#allAtRest(deadline.signal), aborted(deadline.signal)]);
    } finally {
      clearTimeout(timer);
      deadline.abort();
    }
    const { sessions, opening } = this.runtime;
    const busy = [...sessions].filter((session) => !session.atRest);
    if (late === 'abort' && busy.length + opening.size > 0) {
      const kinds = busy.map((session) => lateKind(session));
      throw new Error(
        `Not all sessions came to rest within ${seconds} s: ${tally([...kinds, ...[...opening].map(() => 'login')])}.`,
      );
    }
    for (const session of busy) this.#close(session, lateKind(session), closed);
    for (const login of opening.keys()) login.abort(new Refused('database_starting'));
  }

  /** New sessions may come from logins that were on their way. */
  async #allAtRest(signal: AbortSignal): Promise<void> {
    const { sessions, gate } = this.runtime;
    for (;;) {
      const moving = [...sessions].filter((session) => !session.atRest);
      if (signal.aborted) return;
      await Promise.all([gate.emptied(), ...moving.map((session) => session.rest())]);
      if (![...sessions].some((session) => !session.atRest)) return;
    }
  }

  async #capture(late: 'abort' | 'close', closed: Closed): Promise<void> {
    const refused: Unmovable[] = [];
    await forEachAtOnce(
      [...this.runtime.sessions].filter((session) => session.atRest),
      async (session) => {
        try {
          this.#held.set(session, await captureState(session));
        } catch (error) {
          if (error instanceof Unmovable && late === 'abort') refused.push(error);
          else this.#close(session, kindOf(error, 'protocol'), closed, error);
        }
      },
    );
    if (refused.length > 0)
      throw new Error(`Not all sessions can be moved: ${tally(refused.map(({ kind }) => kind))}.`);
  }

  #leave(): void {
    this.#phase = 'held';
    for (const session of this.#held.keys()) if (!session.atRest) this.#held.delete(session);
    this.#left = Promise.all([...this.#held.keys()].map((session) => session.leave()));
    this.#deadline = setTimeout(() => {
      this.runtime.log.warn('Nobody resumed the sessions that are held; they go on by themselves');
      void this.resume();
    }, HOLD_SECONDS * 1000);
    this.#deadline.unref();
  }

  async #reopen(session: Session, state: SessionState, signal: AbortSignal, closed: Closed): Promise<boolean> {
    const { target, claim } = session.parts;
    if (!session.atRest) return false;
    try {
      if (!this.runtime.access.allows(claim)) throw new Unmovable('login');
      await reopen(session, state, this.runtime.places.of(target), signal);
      return true;
    } catch (error) {
      this.#close(session, kindOf(error, 'server'), closed, error);
      return false;
    }
  }

  #release(): void {
    this.#phase = 'open';
    this.#held.clear();
    for (const session of this.runtime.sessions) session.release();
    this.runtime.gate.open();
  }

  #close(session: Session, kind: ClosedKind, closed: Closed, cause?: unknown): void {
    if (!session.live) return; // It has ended by itself meanwhile.
    closed[kind] = (closed[kind] ?? 0) + 1;
    this.runtime.count(`sessions_closed_${kind}`);
    const reason = cause instanceof Error ? cause.message : undefined;
    this.runtime.log.info({ kind, reason, role: session.loggedIn.role }, 'A session cannot be moved and is closed');
    session.end(new Refused('administrator'));
  }
}

function lateKind(session: Session): ClosedKind {
  return session.conversation.quiet && session.conversation.inTransaction ? 'transaction' : 'running';
}

function kindOf(error: unknown, otherwise: ClosedKind): ClosedKind {
  if (error instanceof Unmovable) return error.kind;
  if (error instanceof PeerGone) return 'server';
  return error instanceof Refused && error.code !== 'database_starting' ? 'login' : otherwise;
}

/** "2 transaction, 1 running". */
function tally(kinds: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
