import { newToken } from '../tokens.js';
import type { StoredLine } from './log-book.js';

const OPEN_WITHIN_MS = 5 * 60_000;
const MAX_SESSIONS = 1000;

export interface LogSession {
  appId: string;
  lines: number;
  tail: boolean;
  source: string | null;
  dyno: string | null;
  createdAt: number;
  /** Whether the person who made it may still read the log. */
  allowed(): boolean;
}

/** Log sessions under unguessable names, in memory: after a restart of the platform a client asks for a new one. */
export class LogSessions {
  readonly #sessions = new Map<string, LogSession>();

  add(session: LogSession): string {
    const oldest = this.#sessions.keys().next();
    if (this.#sessions.size >= MAX_SESSIONS && !oldest.done) this.#sessions.delete(oldest.value);
    const token = newToken('');
    this.#sessions.set(token, session);
    return token;
  }

  /** The session of that name while it may be used. One that tails may be opened again after its connection dropped. */
  open(token: string, now: number): LogSession | null {
    const session = this.#sessions.get(token);
    if (!session?.allowed()) return null;
    if (!session.tail && now - session.createdAt > OPEN_WITHIN_MS) return null;
    return session;
  }
}

/** Whether a session asked for this line. */
export function wants(session: LogSession, line: StoredLine): boolean {
  if (session.source !== null && session.source !== line.app) return false;
  return session.dyno === null || line.process === session.dyno || line.process.startsWith(`${session.dyno}.`);
}
