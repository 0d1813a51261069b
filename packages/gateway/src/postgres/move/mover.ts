import { HOLD_SECONDS } from '@borealis/contract';
import { UnknownSetting } from '../backend/open.js';
import { Oversized } from '../backend/own-talk.js';
import { Refused } from '../refusals.js';
import type { Runtime } from '../runtime.js';
import type { Session } from '../session/session.js';
import { PeerGone } from '../wire/packet-reader.js';
import { countLocks } from './advisory-locks.js';
import { forEachAtOnce } from './at-once.js';
import { captureState } from './capture.js';
import { readCursors } from './cursors.js';
import { Orphans } from './orphans.js';
import { reopen } from './reopen.js';
import type { Taken } from './restore.js';
import { Snapshots } from './snapshots.js';
import { type ClosedKind, type SessionState, Unmovable } from './state.js';

/** Time for the whole way back, opening servers included. */
const RESUME_MS = 25_000;

/** Sessions that were closed longer ago have nothing to do with a change of servers. */
const RECENT_MS = 60_000;

/** How many sessions were closed instead of moved, by kind. */
export type Closed = Record<string, number>;

/**
 * Takes all sessions from their server processes to others, behind one barrier: none goes on before the state of all is taken,
 * nor before it is back, so that no notification is lost between two of them.
 */
export class Mover {
  #phase: 'open' | 'holding' | 'held' | 'resuming' = 'open';
  #held = new Map<Session, Taken>();
  #left: Promise<unknown> = Promise.resolve();
  #deadline: NodeJS.Timeout | undefined;
  /** When sessions were closed because their server died, and as what. */
  #lost: { at: number; kind: ClosedKind }[] = [];
  readonly #orphans: Orphans;
  readonly #snapshots: Snapshots;

  constructor(private readonly runtime: Runtime) {
    this.#orphans = new Orphans(runtime);
    this.#snapshots = new Snapshots(
      runtime.sessions,
      () => this.#phase !== 'open',
      () => runtime.count('snapshots_taken'),
    );
  }

  /** From the beginning of a `hold` until all sessions go on. */
  get holding(): boolean {
    return this.#phase !== 'open';
  }

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
      await this.#takeLast(closed);
      this.#leave();
      return { held: this.#held.size, closed };
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /**
   * A session's server process is gone without having left it on purpose. True: the session's state is known, and it waits for a
   * server to go on with; nothing of it can have been lost.
   */
  adopt(session: Session): boolean {
    const idle = session.conversation.idle;
    const state = this.#phase === 'open' && idle ? this.#snapshots.of(session) : null;
    if (!state || !outlivesServer(state)) {
      const kind = this.#lose(idle ? 'server' : lateKind(session));
      this.runtime.count(`sessions_closed_${kind}`);
      return false;
    }
    this.runtime.count('sessions_waiting');
    this.#orphans.adopt(session, state, (kept, cause) => {
      if (kept) this.runtime.count('sessions_kept');
      else this.#close(session, this.#lose(kindOf(cause, 'server')), {}, cause);
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
    const kept = await this.#orphans.redirect();
    const recent = this.#lost.filter(({ at }) => performance.now() - at < RECENT_MS);
    this.#lost = [];
    const closed: Closed = {};
    for (const { kind } of recent) closed[kind] = (closed[kind] ?? 0) + 1;
    return { kept, closed };
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
    for (const session of busy) this.#close(session, lateKind(session), closed);
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
          else this.#close(session, kindOf(error, 'protocol'), closed, error);
        }
      },
    );
    if (refused.length > 0)
      throw new Error(`Not all sessions can be moved: ${tally(refused.map(({ kind }) => kind))}.`);
  }

  /** One round trip is due in any case: what the server has to tell the client by itself is told now. */
  async #stateOf(session: Session): Promise<SessionState> {
    const known = this.#snapshots.of(session);
    if (known) await session.withServer((talk) => talk.run([Buffer.alloc(0)]));
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
        this.#close(session, kind, closed, error);
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

  #lose(kind: ClosedKind): ClosedKind {
    this.#lost.push({ at: performance.now(), kind });
    return kind;
  }

  #close(session: Session, kind: ClosedKind, closed: Closed, cause?: unknown): void {
    if (!session.live) return; // It has ended by itself meanwhile.
    closed[kind] = (closed[kind] ?? 0) + 1;
    this.runtime.count(`sessions_closed_${kind}`);
    const reason = cause instanceof Error ? cause.message : undefined;
    this.runtime.log.info({ kind, reason, role: session.loggedIn.role }, 'A session cannot be moved and is closed');
    session.end(new Refused(kind === 'types' ? 'major_upgrade' : 'administrator'));
  }
}

/** At rest, with a server process to ask. */
const isReady = (session: Session): boolean => session.atRest && session.attached;

/** Others must not go on before this one has its place back. */
const isBound = ({ channels, locks }: SessionState): boolean => channels.length + locks.length > 0;

/** It was told without being taken away. */
const outlivesReading = ({ locks, cursors }: SessionState): boolean => locks.length + cursors.length === 0;

/** Nothing of it went down with the server: locks, rows, and what it would have been notified of meanwhile. */
const outlivesServer = (state: SessionState): boolean => outlivesReading(state) && state.channels.length === 0;

function divide<T>(items: readonly T[], belongs: (item: T) => boolean): [T[], T[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))];
}

function lateKind(session: Session): ClosedKind {
  return session.conversation.quiet && session.conversation.inTransaction ? 'transaction' : 'running';
}

function kindOf(error: unknown, otherwise: ClosedKind): ClosedKind {
  if (error instanceof Unmovable) return error.kind;
  if (error instanceof PeerGone) return 'server';
  if (error instanceof Oversized) return 'state';
  if (error instanceof UnknownSetting) return 'settings';
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
