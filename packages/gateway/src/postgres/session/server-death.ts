import { errorFields } from '../wire/error-response.js';

const ERROR = 'E'.charCodeAt(0);

/** Functions of PostgreSQL's that report the end of the postmaster. An administrator's command has the same SQLSTATE, 57P01. */
const ROUTINES = new Set(['secure_read', 'secure_write']);

/** Whether these bytes are one message by which a server process says that it ends because the whole server has died. */
export function isDeathOfServer(bytes: Buffer): boolean {
  if (bytes[0] !== ERROR || bytes.length < 5 || bytes.readInt32BE(1) !== bytes.length - 1) return false;
  const fields = errorFields(bytes.subarray(5));
  return fields.get('V') === 'FATAL' && fields.get('C') === '57P01' && ROUTINES.has(fields.get('R') ?? '');
}
