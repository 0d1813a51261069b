import { statement } from '../backend/own-talk.js';

/** A temporary sequence that makes `lastval()` answer what it did in the server process before. */
export const LASTVAL_SEQUENCE = '__gw_lastval';

/** Makes `lastval()` return `value`. Everybody may read it, as another role may ask later. */
export function setLastval(value: string): Buffer {
  return Buffer.concat([
    statement('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE'),
    statement(`CREATE TEMPORARY SEQUENCE ${LASTVAL_SEQUENCE} MINVALUE -9223372036854775808`),
    statement(`GRANT SELECT, USAGE ON SEQUENCE pg_temp.${LASTVAL_SEQUENCE} TO PUBLIC`),
    statement(
      `SELECT pg_catalog.setval('pg_temp.${LASTVAL_SEQUENCE}', $1::text::pg_catalog.int8, false),
      pg_catalog.nextval('pg_temp.${LASTVAL_SEQUENCE}')`,
      [value],
    ),
    statement('COMMIT'),
  ]);
}
