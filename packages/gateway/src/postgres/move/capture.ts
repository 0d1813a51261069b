import { randomBytes } from 'node:crypto';
import { cleanUp, Doubt, type OwnTalk, type Reply, statement } from '../backend/own-talk.js';
import type { Session } from '../session/session.js';
import { type AdvisoryLock, MAX_LOCKS } from './advisory-locks.js';
import { type HeldCursor, MAX_CURSORS } from './cursors.js';
import { customNames } from './custom-names.js';
import { functionSettings, SETTING_BODIES } from './function-settings.js';
import { LASTVAL_SEQUENCE } from './lastval.js';
import { type SessionState, Unmovable } from './state.js';

/** Bounds what is asked here, where a lock on a catalog would hold up all sessions. */
const STATEMENT_MS = 3000;

/**
 * Asks the server process of a session at rest for the session's state. Throws `Unmovable` when it has some that cannot be moved,
 * and then the session can go on; after any other error it must end.
 */
export async function captureState(session: Session): Promise<SessionState> {
  const { settings, unnamedParse } = session.conversation;
  if (settings.uncertain) throw new Unmovable('custom_settings');
  if (unnamedParse === 'unknown') throw new Unmovable('unnamed_statement');
  return session.withServer(async (talk) => {
    const facts = await ask(talk, customNames(settings.names));
    if (facts.dblink !== null && (await hasDblinkConnections(talk, facts.dblink))) throw new Unmovable('dblink');
    const state = stateOf(facts);
    if (facts.bodies) state.settings.push(...(await functionSettings(talk, facts.bodies)));
    return state;
  });
}

interface Facts {
  before: string[];
  settings: [string, string][] | null;
  custom: [string, string][] | null;
  role: string;
  session_user: string;
  statements: { name: string; text: string; types: (number | string)[]; sql: boolean }[] | null;
  channels: string[] | null;
  temporary: boolean;
  locks: AdvisoryLock[] | null;
  cursors: HeldCursor[] | null;
  lastval: string | null;
  dblink: string | null;
  bodies: (string | null)[] | null;
}

async function ask(talk: OwnTalk, names: readonly string[]): Promise<Facts> {
  const nonce = randomBytes(16).toString('hex');
  const [reply] = await talk.run([batch(nonce, names)]);
  if (reply!.error) {
    await recover(talk);
    throw new Unmovable('state', reply!.error.get('C'));
  }
  return factsOf(reply!, nonce);
}

async function recover(talk: OwnTalk): Promise<void> {
  const [reply] = await talk.run([cleanUp('ROLLBACK')]);
  if (reply!.error) throw new Doubt('the server process does not come back from an error');
}

function factsOf({ rows }: Reply, nonce: string): Facts {
  const [before, , after] = rows;
  // Else these are answers to something else, and the session is not where it was thought to be.
  if (rows.length !== 3 || before?.[0] !== nonce) throw new Doubt('the server answered out of turn');
  const text = after?.[0] ?? '';
  // Bytes that are no UTF-8: a database in SQL_ASCII may hold any.
  if (text.includes('\ufffd') || before.includes(null)) throw new Unmovable('encoding');
  return { ...(JSON.parse(text) as Facts), before: before.slice(1) as string[] };
}

function stateOf(facts: Facts): SessionState {
  if (facts.temporary) throw new Unmovable('temporary_objects');
  const locks = facts.locks ?? [];
  if (locks.length > MAX_LOCKS) throw new Unmovable('advisory_locks');
  const cursors = facts.cursors ?? [];
  if (cursors.length > MAX_CURSORS) throw new Unmovable('cursors');
  if (facts.lastval === UNKNOWN) throw new Unmovable('lastval');
  const [searchPath, statementTimeout, lockTimeout, clientEncoding] = facts.before as [string, string, string, string];
  return {
    settings: [...(facts.settings ?? []), ...(facts.custom ?? [])],
    ...{ searchPath, statementTimeout, lockTimeout, clientEncoding },
    role: facts.role,
    sessionUser: facts.session_user,
    statements: (facts.statements ?? []).map((made) => ({ ...made, types: made.types.map(Number) })),
    channels: facts.channels ?? [],
    lastval: facts.lastval,
    locks,
    cursors,
  };
}

/** The extension's own function, so it is asked by the extension's own schema; after the rest, since it is not there in most. */
async function hasDblinkConnections(talk: OwnTalk, connections: string): Promise<boolean> {
  const [reply] = await talk.run([statement(`SELECT ${connections} IS NOT NULL`)]);
  if (reply!.error) await recover(talk);
  return reply!.rows[0]?.[0] !== 'f';
}

const UNKNOWN = 'unknown';

/** One transaction, whose settings are gone with it; whatever a client's defaults are, it neither waits nor is refused. */
function batch(nonce: string, names: readonly string[]): Buffer {
  return Buffer.concat([
    statement('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE'),
    statement(BEFORE, [nonce]),
    statement(LOCALLY),
    statement(LASTVAL),
    statement(STATE, [JSON.stringify(names)]),
    statement('COMMIT'),
  ]);
}

/** Asked first: once they are set locally, PostgreSQL shows the local values as the session's. */
const BEFORE = `SELECT $1, pg_catalog.current_setting('search_path'), pg_catalog.current_setting('statement_timeout'),
  pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('client_encoding')`;

/** Objects of the client's own may stand before PostgreSQL's in its search path, temporary ones even unasked. */
const LOCALLY = `SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '${STATEMENT_MS}', true),
  pg_catalog.set_config('lock_timeout', '${STATEMENT_MS}', true), pg_catalog.set_config('client_encoding', 'UTF8', true)`;

/** Asking for a lastval that is not defined is an error, and one that is not caught stands in the server's log. */
const LASTVAL = `DO $$BEGIN PERFORM set_config('__gw.lastval', lastval()::text, true);
  EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL;
    WHEN OTHERS THEN PERFORM set_config('__gw.lastval', '${UNKNOWN}', true); END$$`;

const STATE = `WITH configured AS (
    SELECT DISTINCT lower(split_part(c, '=', 1)) AS name FROM pg_db_role_setting, unnest(setconfig) c
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user)))
  SELECT json_build_object(
    'settings', (SELECT json_agg(json_build_array(name, setting)) FROM pg_settings
      WHERE context IN ('user', 'superuser') AND name NOT LIKE 'transaction\\_%'
        AND name NOT IN ('search_path', 'statement_timeout', 'lock_timeout', 'client_encoding', '__gw.lastval')
        AND (source IN ('session', 'client', 'database', 'user', 'database user')
          OR lower(name) IN (SELECT name FROM configured))),
    'custom', (SELECT json_agg(json_build_array(name, current_setting(name, true)))
      FROM (SELECT json_array_elements_text($1::json) AS name
        UNION SELECT name FROM configured WHERE name LIKE '%.%') names
      WHERE current_setting(name, true) IS NOT NULL
        AND lower(name) NOT IN (SELECT lower(s.name) FROM pg_settings s)),
    'role', current_setting('role'),
    'session_user', session_user,
    'statements', (SELECT json_agg(json_build_object('name', name, 'text', statement, 'types', parameter_types::oid[],
        'sql', from_sql)) FROM pg_prepared_statements WHERE name NOT LIKE '\\_\\_gw\\_%'),
    'channels', (SELECT json_agg(c) FROM pg_listening_channels() c),
    'temporary', pg_my_temp_schema() <> 0 AND EXISTS (SELECT FROM pg_depend
      WHERE refclassid = 'pg_namespace'::regclass AND refobjid = pg_my_temp_schema()
        AND (classid <> 'pg_class'::regclass OR objid IS DISTINCT FROM to_regclass('pg_temp.${LASTVAL_SEQUENCE}')::oid)),
    'locks', (SELECT json_agg(json_build_object('classid', classid::bigint, 'objid', objid::bigint, 'objsubid', objsubid,
        'mode', mode, 'catalogued', EXISTS (SELECT FROM pg_class WHERE oid >= 10000 AND oid IN (classid, objid))))
      FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND granted),
    'cursors', (SELECT json_agg(json_build_object('name', name, 'scroll', is_scrollable, 'binary', is_binary)
        ORDER BY creation_time) FROM pg_cursors WHERE is_holdable),
    'lastval', nullif(current_setting('__gw.lastval', true), ''),
    'bodies', ${SETTING_BODIES},
    'dblink', (SELECT quote_ident(nspname) || '.dblink_get_connections()' FROM pg_extension e
      JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'dblink'))`;
