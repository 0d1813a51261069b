import { UnknownSetting } from '../backend/open.js';
import { Oversized } from '../backend/own-talk.js';
import { Refused } from '../refusals.js';
import type { Runtime } from '../runtime.js';
import type { Session } from '../session/session.js';
import { PeerGone } from '../wire/packet-reader.js';
import { type ClosedKind, Unmovable } from './state.js';

/** How many sessions were closed instead of moved, by kind. */
export type Closed = Record<string, number>;

/** Ends a session that cannot go on at another server, and counts it in `closed`. One that has ended by itself is left out. */
export function closeInstead(
  runtime: Runtime,
  session: Session,
  closed: Closed,
  { kind, cause }: { kind: ClosedKind; cause?: unknown },
): void {
  if (!session.live) return;
  closed[kind] = (closed[kind] ?? 0) + 1;
  runtime.count(`sessions_closed_${kind}`);
  const reason = cause instanceof Error ? cause.message : undefined;
  runtime.log.info({ kind, reason, role: session.loggedIn.role }, 'A session cannot be moved and is closed');
  session.end(new Refused(kind === 'types' ? 'major_upgrade' : 'administrator'));
}

/** As what a session is closed that does not come to rest. */
export function lateKind(session: Session): ClosedKind {
  return session.conversation.quiet && session.conversation.inTransaction ? 'transaction' : 'running';
}

/** As what a session is closed after that error; `otherwise` for one that says nothing about it. */
export function kindOf(error: unknown, otherwise: ClosedKind): ClosedKind {
  if (error instanceof Unmovable) return error.kind;
  if (error instanceof PeerGone) return 'server';
  if (error instanceof Oversized) return 'state';
  if (error instanceof UnknownSetting) return 'settings';
  return error instanceof Refused && error.code !== 'database_starting' ? 'login' : otherwise;
}

/** "2 transaction, 1 running". */
export function tally(kinds: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}
