import { setTimeout as sleep } from 'node:timers/promises';
import { Refused } from '../refusals.js';
import type { Session } from '../session/session.js';
import { PeerGone } from '../wire/packet-reader.js';
import { captureState } from './capture.js';
import { type SessionState, Unmovable } from './state.js';

const TICK_MS = 1000;
/** Each costs the server 1.5 ms or so, the first one of a server process several, and 1.5 MB of memory. */
const PER_TICK = 50;
/** After so much time of a tick none is begun any more. */
const TICK_BUDGET_MS = 250;
/** Who has said nothing for so long is idle enough to be asked before all are held. */
const IDLE_MS = 50;
/** Sessions asked at a time by `takeAll`, beside all that goes on. */
const LANES = 2;

interface Snapshot {
  /** `Session.said` when it was taken. */
  said: number;
  /** Null: the session could not be moved. */
  state: SessionState | null;
}

/**
 * Takes the state of sessions that have been idle for a second or two, while the server can still be asked: after a crash it is
 * all there is to know. A session that has said anything since is not known any more.
 */
export class Snapshots {
  readonly #taken = new WeakMap<Session, Snapshot>();
  readonly #seen = new WeakMap<Session, number>();
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> | null = null;

  /** `enough` says whether snapshots are not to be taken at the moment; `onTaken` hears of each. */
  constructor(
    private readonly sessions: ReadonlySet<Session>,
    private readonly enough: () => boolean,
    private readonly onTaken: () => void,
  ) {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** The session's state as it still is; null: not known, or not movable. */
  of(session: Session): SessionState | null {
    const snapshot = this.#taken.get(session);
    return snapshot?.said === session.said ? snapshot.state : null;
  }

  /** What is known without asking again. */
  put(session: Session, state: SessionState): void {
    this.#taken.set(session, { said: session.said, state });
  }

  /** Resolves when no session is being asked. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /**
   * Takes the state of all that are idle now and not known, once those are done that are being asked already. Begins with none after
   * `milliseconds`.
   */
  async takeAll(milliseconds: number): Promise<void> {
    const deadline = performance.now() + milliseconds;
    while (this.#work !== null) await this.#work;
    this.#work = this.#takeIdle(deadline).finally(() => {
      this.#work = null;
    });
    await this.#work;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    if (this.#work || this.enough()) return;
    const due = [...this.sessions].filter((session) => this.#isDue(session)).slice(0, PER_TICK);
    this.#work = this.#takeEach(due.values(), performance.now() + TICK_BUDGET_MS).finally(() => {
      this.#work = null;
    });
  }

  async #takeIdle(deadline: number): Promise<void> {
    const said = new Map([...this.sessions].map((session) => [session, session.said]));
    await sleep(IDLE_MS);
    const due = [...said].filter(([session, before]) => session.said === before && this.#isUnknown(session));
    // Both lanes take from the same line.
    const line = due.map(([session]) => session).values();
    await Promise.all(Array.from({ length: LANES }, () => this.#takeEach(line, deadline)));
  }

  /** Idle since the last tick at least, and not known as it is. */
  #isDue(session: Session): boolean {
    const idle = this.#seen.get(session) === session.said;
    this.#seen.set(session, session.said);
    return idle && this.#isUnknown(session);
  }

  #isUnknown(session: Session): boolean {
    const known = this.#taken.get(session)?.said === session.said;
    return !known && session.live && session.attached && session.conversation.idle && !session.wantsServer;
  }

  async #takeEach(line: Iterable<Session>, deadline: number): Promise<void> {
    for (const session of line) {
      if (this.enough() || !this.#timer || performance.now() > deadline) return;
      if (this.#isUnknown(session)) await this.#take(session);
    }
  }

  async #take(session: Session): Promise<void> {
    void session.rest();
    try {
      if (session.atRest) this.put(session, await captureState(session));
    } catch (error) {
      if (error instanceof Unmovable) this.#taken.set(session, { said: session.said, state: null });
      // One whose server is gone hears of it in its own way.
      else if (!(error instanceof PeerGone)) session.end(new Refused('internal'));
    } finally {
      session.release();
      this.onTaken();
    }
  }
}
