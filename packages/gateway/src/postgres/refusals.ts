import { fatal } from './wire/messages.js';

/**
 * Every reason for which this side of the gateway turns a client away, declared once: what the client is told (severity is
 * always FATAL, since the connection ends), how loud the log is, and, as the row's name, the metric label `refused_<name>`.
 * A row without a sentence is answered by closing: its client cannot or must not read an answer.
 */
interface Row {
  sqlstate: string;
  level: 'debug' | 'info' | 'warn' | 'error';
  sentence: string | null;
}

const row = (sqlstate: string, level: Row['level'], sentence: string | null): Row => ({ sqlstate, level, sentence });

export const refusals = {
  tls_required: row(
    '28000',
    'info',
    'this database accepts encrypted connections only; add sslmode=require to the connection settings',
  ),
  tls_failed: row('08006', 'debug', null),
  early_bytes: row('08P01', 'warn', null),
  direct_tls_without_alpn: row('08P01', 'info', null),
  encryption_requested_twice: row('08P01', 'info', 'encryption can be requested once, before it is on'),
  malformed_start_up: row('08P01', 'info', 'malformed start-up packet: {detail}'),
  protocol_version: row('0A000', 'info', 'unsupported frontend protocol {detail}: this server supports 3.0 to 3.2'),
  user_missing: row('28000', 'info', 'no PostgreSQL user name specified in startup packet'),
  replication: row(
    '0A000',
    'info',
    'replication connections are not available here; connect without the "replication" setting',
  ),
  wrong_password: row('28P01', 'info', 'password authentication failed for user "{detail}"'),
  too_many_failures: row(
    '53300',
    'warn',
    'too many failed logins for user "{detail}" through this tunnel; correct the password and try again in a minute or two',
  ),
  scram_malformed: row('08P01', 'info', 'malformed SCRAM message: {detail}'),
  scram_binding: row('28000', 'warn', 'SCRAM channel binding check failed'),
  scram_downgrade: row(
    '28000',
    'warn',
    'SCRAM channel binding negotiation error: the client supports channel binding but thinks that the server does not',
  ),
  scram_identity: row('0A000', 'info', 'client uses authorization identity, but it is not supported'),
  login_timeout: row('57014', 'info', 'canceling authentication due to timeout'),
  too_many_sessions: row('53300', 'warn', 'sorry, too many clients already: {detail} connections are allowed'),
  database_full: row(
    '53300',
    'info',
    'too many connections for this database: {detail} are allowed at a time; close some, or share them in a pool',
  ),
  database_starting: row('57P03', 'warn', 'the database is starting or restarting; try again in a few seconds'),
  database_login: row('28000', 'error', 'the database does not let this role in at the moment'),
  /** PostgreSQL's own ErrorResponse is passed on. */
  database_refused: row('08004', 'info', null),
  administrator: row('57P01', 'info', 'terminating connection due to administrator command'),
  major_upgrade: row(
    '57P01',
    'info',
    'terminating connection due to a major upgrade: types that this session has used have other identifiers now; reconnect',
  ),
  database_lost: row('57P02', 'warn', 'the connection to the database server was lost; reconnect and try again'),
  malformed_message: row('08P01', 'warn', 'invalid message length {detail}: 4 bytes to 1 GiB are allowed'),
  internal: row('XX000', 'error', 'internal error of the gateway; this connection is closed, others are not touched'),
} satisfies Record<string, Row>;

export type RefusalCode = keyof typeof refusals;

/** Thrown where a client is turned away; the message is the sentence the client is told. */
export class Refused extends Error {
  /** `passedOn`: an ErrorResponse of PostgreSQL's, which the client gets instead. `forLog`: what only the operator is told. */
  constructor(
    readonly code: RefusalCode,
    detail = '',
    private readonly passedOn?: Buffer,
    readonly forLog?: string,
  ) {
    // A function, so that a user name with `$&` in it is not read as a pattern.
    super((refusals[code].sentence ?? code).replace('{detail}', () => detail.slice(0, 100)));
  }

  /** What the client is sent; null: nothing, the connection just closes. */
  get answer(): Buffer | null {
    if (this.passedOn) return this.passedOn;
    const { sqlstate, sentence } = refusals[this.code];
    return sentence === null ? null : fatal(sqlstate, this.message);
  }
}
