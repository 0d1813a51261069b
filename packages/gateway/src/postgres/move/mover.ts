import { ASK_SECONDS, HOLD_SECONDS } from '@borealis/contract';
import { Oversized } from '../backend/own-talk.js';
import { Refused } from '../refusals.js';
import type { Runtime } from '../runtime.js';
import type { Session } from '../session/session.js';
import { countLocks } from './advisory-locks.js';
import { forEachAtOnce } from './at-once.js';
import { captureState } from './capture.js';
import { type Closed, closeInstead, kindOf, lateKind, tally } from './closings.js';
import { readCursors } from './cursors.js';
import { Failover } from './failover.js';
import { Orphans } from './orphans.js';
import { reopen } from './reopen.js';
import type { Taken } from './restore.js';
import { Snapshots } from './snapshots.js';
import { outlivesReading, type SessionState, Unmovable } from './state.js';

/** Time for the whole way back, opening servers included. */
const RESUME_MS = 25_000;

/**
 * Takes all sessions from their server processes to others, behind one barrier: none goes on before the state of all is taken,
 * nor before it is back, so that no notification is lost between two of them.
 */
export class Mover {
  #phase: 'open' | 'holding' | 'held' | 'resuming' = 'open';
  #held = new Map<Session, Taken>();
  #left: Promise<unknown> = Promise.resolve();
  #deadline: NodeJS.Timeout | undefined;
  readonly #orphans: Orphans;
  readonly #snapshots: Snapshots;
  /** For sessions whose server dies. */
  readonly failover: Failover;

  constructor(private readonly runtime: Runtime) {
    this.#orphans = new Orphans(runtime);
    this.#snapshots = new Snapshots(
      runtime.sessions,
      () => this.#phase !== 'open',
      () => runtime.count('snapshots_taken'),
    );
    this.failover = new Failover(runtime, this.#orphans, this.#snapshots);
  }

  /** From the beginning of a `hold` until all sessions go on. */
  get holding(): boolean {
    return this.#phase !== 'open';
  }

  /** Sessions have left their servers, and go on with `resume`. */
  get held(): boolean {
    return this.#phase === 'held';
  }

  /** Has idle sessions tell their state while all go on, so that `hold` has less to ask. */
  ask(): Promise<void> {
    return this.#snapshots.takeAll(ASK_SECONDS * 1000);
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
      await this.#takeLast(closed);
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
    const open = async (session: Session) => {
      if (await this.#reopen(session, this.#held.get(session)!, signal, closed)) kept++;
    };
    await this.#left;
    const [bound, free] = divide([...this.#held.keys()], (session) => isBound(this.#held.get(session)!.state));
    await forEachAtOnce(bound, open);
    for (const session of bound) session.release();
    this.runtime.gate.open();
    const openAlone = async (session: Session) => {
      await open(session);
      session.release();
    };
    await forEachAtOnce(free, openAlone, (session) => session.wantsServer);
    this.#release();
    this.runtime.count('sessions_kept', kept);
    return { kept, closed };
  }

  /** The gateway stops: nothing is to be opened any more. */
  stop(): void {
    clearTimeout(this.#deadline);
    this.#snapshots.stop();
    this.#orphans.stop();
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
    const busy = [...sessions].filter((session) => !isReady(session));
    if (late === 'abort' && busy.length + opening.size > 0) {
      const kinds = busy.map((session) => lateKind(session));
      throw new Error(
        `Not all sessions came to rest within ${seconds} s: ${tally([...kinds, ...[...opening].map(() => 'login')])}.`,
      );
    }
    for (const session of busy) closeInstead(this.runtime, session, closed, { kind: lateKind(session) });
    for (const login of opening.keys()) login.abort(new Refused('database_starting'));
  }

  /** New sessions may come from logins that were on their way. */
  async #allAtRest(signal: AbortSignal): Promise<void> {
    const { sessions, gate } = this.runtime;
    await this.#snapshots.settled();
    while (!signal.aborted) {
      await Promise.all([gate.emptied(), this.#orphans.settled(), ...[...sessions].map((session) => session.rest())]);
      if ([...sessions].every(isReady)) return;
    }
  }

  async #capture(late: 'abort' | 'close', closed: Closed): Promise<void> {
    const refused: Unmovable[] = [];
    await forEachAtOnce(
      [...this.runtime.sessions].filter((session) => session.atRest),
      async (session) => {
        try {
          this.#held.set(session, { state: await this.#stateOf(session), locks: [], cursors: [] });
        } catch (error) {
          if (error instanceof Unmovable && late === 'abort') refused.push(error);
          else closeInstead(this.runtime, session, closed, { kind: kindOf(error, 'protocol'), cause: error });
        }
      },
    );
    if (refused.length > 0)
      throw new Error(`Not all sessions can be moved: ${tally(refused.map(({ kind }) => kind))}.`);
  }

  /** Who listens makes a round trip in any case: what it has been notified of until now is told now. */
  async #stateOf(session: Session): Promise<SessionState> {
    const known = this.#snapshots.of(session);
    if (known && known.channels.length > 0) await session.withServer((talk) => talk.run([Buffer.alloc(0)]));
    const state = known ?? (await captureState(session));
    this.#snapshots.put(session, state);
    return state;
  }

  /** From here on there is no way back but to open the sessions anew: locks that were counted and rows that were read are gone. */
  async #takeLast(closed: Closed): Promise<void> {
    const having = [...this.#held].filter(([{ atRest }, { state }]) => atRest && !outlivesReading(state));
    await forEachAtOnce(having, async ([session, taken]) => {
      const { locks, cursors } = taken.state;
      try {
        taken.cursors = await session.withServer((talk) => readCursors(talk, cursors));
        taken.locks = await session.withServer((talk) => countLocks(talk, locks));
      } catch (error) {
        const kind = error instanceof Oversized ? 'cursors' : kindOf(error, 'protocol');
        closeInstead(this.runtime, session, closed, { kind, cause: error });
      }
    });
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

  async #reopen(session: Session, taken: Taken, signal: AbortSignal, closed: Closed): Promise<boolean> {
    const { target, claim } = session.parts;
    if (!session.atRest) return false;
    try {
      if (!this.runtime.access.allows(claim)) throw new Unmovable('login');
      await reopen(session, taken, this.runtime.places.of(target), signal);
      return true;
    } catch (error) {
      closeInstead(this.runtime, session, closed, { kind: kindOf(error, 'server'), cause: error });
      return false;
    }
  }

  #release(): void {
    this.#phase = 'open';
    this.#held.clear();
    for (const session of this.runtime.sessions) session.release();
    this.runtime.gate.open();
  }
}

/** At rest, with a server process to ask. */
const isReady = (session: Session): boolean => session.atRest && session.attached;

/** Others must not go on before this one has its place back. */
const isBound = ({ channels, locks }: SessionState): boolean => channels.length + locks.length > 0;

function divide<T>(items: readonly T[], belongs: (item: T) => boolean): [T[], T[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))];
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
