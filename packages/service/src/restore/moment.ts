import { AppError } from '../errors.js';

const DATE_TIME = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?(.*)$/;
const ZONE = /^(?:z|([+-])(\d\d)(?::?(\d\d))?)$/i;
const MINUTE_MS = 60_000;

/**
 * A moment in UTC to the microsecond, always in the same form, so that text order is time order: `2023-03-05T23:05:17.485000Z`.
 * Takes ISO 8601 with any zone; throws `momentMalformed` or `momentWithoutZone`.
 */
export function parseMoment(text: string): string {
  const [, date, minutes, seconds = '00', fraction = '', zone = ''] = DATE_TIME.exec(text.trim()) ?? [];
  const local = `${date}T${minutes}:${seconds}`;
  const time = Date.parse(`${local}Z`);
  // Days that no month has are taken for some of the next one.
  const isReal = !Number.isNaN(time) && new Date(time).toISOString().startsWith(local);
  if (isReal && zone === '') throw new AppError('momentWithoutZone', { moment: text });
  const offset = offsetMinutes(zone);
  if (!isReal || offset === null) throw malformed(text);
  const utc = new Date(time - offset * MINUTE_MS).toISOString();
  // Before the year 0 and after 9999 the form is another.
  if (!/^\d{4}-/.test(utc)) throw malformed(text);
  return `${utc.slice(0, 19)}.${fraction.padEnd(6, '0')}Z`;
}

function offsetMinutes(zone: string): number | null {
  const parts = ZONE.exec(zone);
  if (!parts) return null;
  const [, sign, hours = '00', minutes = '00'] = parts;
  if (Number(hours) > 23 || Number(minutes) > 59) return null;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

function malformed(text: string): AppError {
  return new AppError('momentMalformed', { moment: text.slice(0, 100) });
}
