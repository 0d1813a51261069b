import { Refused } from '../refusals.js';
import { startupMessage } from '../wire/messages.js';

/** What a client's start-up packet asks for. */
export interface StartUpRequest {
  role: string;
  database: string;
  /** Bytes of the secret of its cancel key: 4, and 32 from protocol 3.2 on. */
  cancelKeyBytes: number;
  /** NegotiateProtocolVersion is due, with these option names unknown to us; null: it is not. */
  negotiate: { minor: number; unknown: string[] } | null;
  /** The start-up packet for PostgreSQL: protocol 3.0, the same settings in the same order. Kept for the session's life. */
  forServer: Buffer;
}

const FALSE = /^(f|fa|fal|fals|false|n|no|of|off|0)$/i;

/**
 * Checks a start-up packet's settings. A missing database means the one named like the user, as in PostgreSQL. All other names are
 * settings (`options`, `application_name`, any parameter): PostgreSQL applies them with the rights of the role, exactly
 * as it does a later SET, so they go on unchanged.
 */
export function readRequest(minor: number, settings: ReadonlyMap<string, string>): StartUpRequest {
  const role = settings.get('user');
  if (!role) throw new Refused('user_missing');
  const replication = settings.get('replication');
  if (replication !== undefined && !FALSE.test(replication)) throw new Refused('replication');
  const database = settings.get('database') || role;
  const unknown = [...settings.keys()].filter((name) => name.startsWith('_pq_.'));
  // 3.1 was never published; a client that asks for it gets 3.0, one that asks for more than 3.2 gets 3.2.
  const spoken = minor >= 2 ? 2 : 0;
  const own = new Set(['user', 'database', 'replication', ...unknown]);
  const others = [...settings].filter(([name]) => !own.has(name));
  return {
    role,
    database,
    cancelKeyBytes: spoken === 2 ? 32 : 4,
    negotiate: spoken !== minor || unknown.length > 0 ? { minor: spoken, unknown } : null,
    forServer: startupMessage([['user', role], ['database', database], ...others]),
  };
}
