import type { AdvisoryLock } from './advisory-locks.js';
import type { HeldCursor } from './cursors.js';

/** A prepared statement that a client made by name. */
export interface PreparedStatement {
  name: string;
  /** Of one made by SQL: the whole text that made it. */
  text: string;
  /** OIDs of its parameters' types. */
  types: number[];
  /** Made by `PREPARE`, not by the protocol. */
  sql: boolean;
}

/** What of a session lives in its server process alone, as the server told it at an idle boundary. Values are in UTF-8. */
export interface SessionState {
  /** Settings whose value may be another one in a new session. */
  settings: [name: string, value: string][];
  searchPath: string;
  statementTimeout: string;
  lockTimeout: string;
  clientEncoding: string;
  /** `none`, or what SET ROLE said. */
  role: string;
  sessionUser: string;
  statements: PreparedStatement[];
  /** Channels it listens on. */
  channels: string[];
  lastval: string | null;
  /** Session advisory locks; how often each is held is counted last, since it takes them away. */
  locks: AdvisoryLock[];
  /** Cursors `WITH HOLD`; what is in them is read last, for the same reason. */
  cursors: HeldCursor[];
}

/**
 * Why sessions are closed instead of moved: what clients find in `docs/reference/sessions.md`, and the gateway's counters as
 * `sessions_closed_<kind>`.
 */
export type ClosedKind =
  | 'transaction'
  | 'running'
  | 'temporary_objects'
  | 'dblink'
  | 'advisory_locks'
  | 'cursors'
  | 'types'
  | 'custom_settings'
  | 'unnamed_statement'
  | 'lastval'
  | 'prepared_statements'
  | 'settings'
  | 'role'
  | 'listen'
  | 'encoding'
  | 'state'
  | 'protocol'
  | 'login'
  | 'server';

/** A session that is at rest cannot be moved; it could go on where it is. */
export class Unmovable extends Error {
  constructor(
    readonly kind: ClosedKind,
    detail = '',
  ) {
    super(`a session cannot be moved: ${kind}${detail && ` (${detail})`}`);
  }
}

/** It was told without being taken away: neither locks nor rows are gone when a server has told of them. */
export const outlivesReading = ({ locks, cursors }: SessionState): boolean => locks.length + cursors.length === 0;
