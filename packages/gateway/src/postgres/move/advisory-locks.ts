import { type OwnTalk, statement } from '../backend/own-talk.js';
import { Unmovable } from './state.js';

/** A session advisory lock, in the columns of `pg_locks`. */
export interface AdvisoryLock {
  classid: number;
  objid: number;
  /** 1: the key is one bigint; 2: two integers. */
  objsubid: number;
  mode: 'ExclusiveLock' | 'ShareLock';
  /** The key, or a half of it, is the OID of a table: who computes it from the table's name gets another one in other catalogs. */
  catalogued: boolean;
}

/** How often a session has taken a lock: as many unlocks are due. */
export type CountedLock = AdvisoryLock & { count: number };

/** More of them than any application takes. */
export const MAX_LOCKS = 100;
const MAX_COUNT = 1000;

/**
 * Counts how often each lock is held, which PostgreSQL tells nowhere, by letting go of it: the server process must not be used
 * any further, and whoever waits for the lock must be gone or held.
 */
export async function countLocks(talk: OwnTalk, locks: readonly AdvisoryLock[]): Promise<CountedLock[]> {
  const counted: CountedLock[] = [];
  for (const lock of locks) {
    const unlock = unlockIfHeld(lock);
    let count = 0;
    while ((await unlocked(talk, unlock)) && count <= MAX_COUNT) count++;
    if (count === 0 || count > MAX_COUNT) throw new Unmovable('advisory_locks', `counted ${count}`);
    counted.push({ ...lock, count });
  }
  return counted;
}

/** Statements that take the lock as often as it was; each returns `t`. */
export function takeLock(lock: CountedLock): Buffer {
  const take = statement(`SELECT pg_catalog.pg_try_advisory_lock${shared(lock)}(${key(lock)})`);
  return Buffer.concat(Array.from({ length: lock.count }, () => take));
}

async function unlocked(talk: OwnTalk, unlock: Buffer): Promise<boolean> {
  const [reply] = await talk.run([unlock]);
  if (reply!.error) throw new Unmovable('advisory_locks', reply!.error.get('C'));
  return reply!.rows.at(-1)?.[0] === 't';
}

/** Unlocking what is not held would stand in the server's log as a warning. */
function unlockIfHeld(lock: AdvisoryLock): Buffer {
  const { classid, objid, objsubid, mode } = lock;
  return Buffer.concat([
    statement(`SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)`),
    statement(`SELECT CASE WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND pid = pg_backend_pid() AND classid = ${classid} AND objid = ${objid} AND objsubid = ${objsubid}
        AND mode = '${mode}')
      THEN pg_advisory_unlock${shared(lock)}(${key(lock)}) END`),
  ]);
}

const shared = ({ mode }: AdvisoryLock): string => (mode === 'ShareLock' ? '_shared' : '');

/** The key as SQL: the columns are unsigned, the functions' arguments are not. */
function key({ classid, objid, objsubid }: AdvisoryLock): string {
  if (objsubid === 2) return `'${classid | 0}'::pg_catalog.int4, '${objid | 0}'::pg_catalog.int4`;
  return `'${BigInt.asIntN(64, (BigInt(classid) << 32n) | BigInt(objid))}'::pg_catalog.int8`;
}
