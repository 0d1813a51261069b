const MOMENT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:?\d\d)$/i;

/** The microseconds since 1970 of an ISO 8601 time with a zone; what is finer is cut off. Null for anything else. */
export function toMicroseconds(moment: string): bigint | null {
  const [, seconds, fraction = '', zone] = MOMENT.exec(moment) ?? [];
  const milliseconds = Date.parse(`${seconds}${zone}`);
  if (!seconds || Number.isNaN(milliseconds)) return null;
  return BigInt(milliseconds) * 1000n + BigInt(fraction.padEnd(6, '0'));
}

/** The same moment in one form, whatever it was given in. */
export function normalMoment(moment: string): string {
  const microseconds = toMicroseconds(moment);
  if (microseconds === null) throw new Error(`"${moment}" is no moment: give a date, a time and a zone.`);
  return fromMicroseconds(microseconds);
}

/** The same moment as ISO 8601 in UTC to the microsecond. */
export function fromMicroseconds(microseconds: bigint): string {
  const text = new Date(Number(microseconds / 1000n)).toISOString();
  return `${text.slice(0, -1)}${String(microseconds % 1000n).padStart(3, '0')}Z`;
}
