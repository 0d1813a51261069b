/** Lines of `name: value` with the names aligned at their right end, one space from the margin. */
export function fieldList(fields: [name: string, value: string][]): string {
  const width = 1 + Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padStart(width)}: ${value}`).join('\n');
}

/** ISO 8601 with the offset of this machine's zone, as `2026-01-31T09:00:00.000-08:00`; a fraction of a second is kept as it is. */
export function localTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const offset = -time.getTimezoneOffset();
  const seconds = new Date(time.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const local = `${seconds}.${/\.(\d+)/.exec(iso)?.[1] ?? '000'}`;
  const part = (minutes: number) => String(Math.trunc(minutes)).padStart(2, '0');
  const size = Math.abs(offset);
  return `${local}${offset < 0 ? '-' : '+'}${part(size / 60)}:${part(size % 60)}`;
}

/** What `--json` prints: two spaces deep, for people and programs alike. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
