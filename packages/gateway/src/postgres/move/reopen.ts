import { openBackend } from '../backend/open.js';
import { OwnTalk } from '../backend/own-talk.js';
import type { Place } from '../backend/place.js';
import { FIRST_OF_CLUSTER } from '../session/identifiers.js';
import type { Session } from '../session/session.js';
import { parameterStatus } from '../wire/messages.js';
import { parameterOf } from '../wire/parameter-status.js';
import { parseStartUp } from '../wire/start-up-packet.js';
import { restoreState, type Taken } from './restore.js';
import { Unmovable } from './state.js';

/** What drivers rely on staying as it was when they connected. */
const MUST_STAY = new Set([
  'client_encoding',
  'server_encoding',
  'DateStyle',
  'standard_conforming_strings',
  'integer_datetimes',
]);

/**
 * Opens a server process at `place` for a session that has left its own, and gives it the session's state; the session is still at
 * rest then. Where the catalogs are others, only a session that provably speaks of PostgreSQL's own types alone goes there. Rejects
 * with nothing left open.
 */
export async function reopen(session: Session, taken: Taken, place: Place, signal: AbortSignal): Promise<void> {
  if (place.catalogs !== session.place.catalogs) refuseIdentifiers(session, taken);
  const { startUp } = session.parts;
  const backend = await openBackend(place, startUp, signal, { patienceMs: PATIENCE_MS, waitForRoom: true });
  const talk = new OwnTalk(backend.socket, (notification) => session.tell(notification), signal);
  try {
    for (const { type, body } of backend.greeting.map(split))
      if (type === 'S') talk.parameters.set(...parameterOf(body));
    const start = { clientEncoding: talk.parameters.get('client_encoding') ?? '', user: userOf(startUp) };
    const { unnamedParse } = session.conversation;
    if (unnamedParse === 'unknown') throw new Unmovable('unnamed_statement');
    await restoreState(talk, taken, unnamedParse, start);
    const news = changed(session.conversation.parameters, talk.parameters);
    if (!session.atRest) throw new Unmovable('protocol', 'the session has ended');
    const rest = talk.release();
    session.enter(place, backend);
    if (news.length + rest.length > 0) session.tell(Buffer.concat([news, rest]));
  } catch (error) {
    talk.release();
    backend.socket.destroy();
    throw error;
  }
}

/** What client or session know by numbers means something else where they are given anew; numbers of PostgreSQL's own do not change. */
function refuseIdentifiers({ conversation }: Session, { state, locks, cursors }: Taken): void {
  const types = [
    ...state.statements.flatMap((prepared) => prepared.types),
    ...cursors.flatMap(({ columns }) => columns.map(({ type }) => type)),
  ];
  if (conversation.identifiers.known || types.some((oid) => oid >= FIRST_OF_CLUSTER)) throw new Unmovable('types');
  if (locks.some(({ catalogued }) => catalogued)) throw new Unmovable('advisory_locks', 'the key of one is an OID');
}

/** How long a server that is being started is waited for, or has the processes that were left still in its count. */
const PATIENCE_MS = 15_000;

const split = (raw: Buffer) => ({ type: String.fromCharCode(raw[0]!), body: raw.subarray(5) });

function userOf(startUp: Buffer): string {
  const packet = parseStartUp(startUp.subarray(4));
  if (packet.kind !== 'startup') throw new Error('BUG: a session that began without a start-up packet');
  return packet.settings.get('user')!;
}

/** What the client has to be told, as ParameterStatus messages. */
function changed(seen: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): Buffer {
  const differing = [...now].filter(([name, value]) => seen.get(name) !== value && !isForeign(value, seen.get(name)));
  if (differing.some(([name]) => MUST_STAY.has(name))) throw new Unmovable('settings', 'a reported parameter differs');
  return Buffer.concat(differing.map(([name, value]) => parameterStatus(name, value)));
}

/** Values beyond ASCII are names, in the client's encoding there and in ours here; they were made the same before. */
const isForeign = (...values: (string | undefined)[]): boolean =>
  values.some((value) => value !== undefined && /[\u0080-\u00ff]/.test(value));
