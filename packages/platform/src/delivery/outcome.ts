/** How the delivery of one message ended. */
export type Outcome =
  /** Nothing is pending any more. */
  | { kind: 'settled'; message: string | null }
  /** The maker said no; `message` is for the user. */
  | { kind: 'refused'; message: string }
  /** No answer, or one that says "later": still pending. */
  | { kind: 'outage' };

export const SETTLED: Outcome = { kind: 'settled', message: null };
export const OUTAGE: Outcome = { kind: 'outage' };

/** The maker's own words for the user, if it gave any. */
export function messageIn(body: Record<string, unknown>): string | null {
  return typeof body.message === 'string' && body.message !== '' ? body.message : null;
}

/** The config vars in a maker's answer, or null when they are not a flat object of strings. */
export function configIn(body: Record<string, unknown>): { name: string; value: string | null }[] | null {
  const config = body.config ?? {};
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return null;
  const entries = Object.entries(config).map(([name, value]: [string, unknown]) => ({ name, value }));
  const good = entries.every(({ value }) => value === null || typeof value === 'string');
  return good ? (entries as { name: string; value: string | null }[]) : null;
}
