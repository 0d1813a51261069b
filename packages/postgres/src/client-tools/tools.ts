export const CLIENT_PROGRAMS = ['pg_dump', 'pg_restore', 'psql'] as const;
export type ClientProgram = (typeof CLIENT_PROGRAMS)[number];

/** PostgreSQL's client programs, all of one version. */
export interface ClientTools {
  /** PostgreSQL's own number: `17.11`. */
  version: string;
  /** The words that start one of them, before its own arguments; any OS user may. */
  command(program: ClientProgram): readonly [string, ...string[]];
}

export const majorNumber = (version: string): number => Number.parseInt(version, 10);

/** The oldest that are at least of that major, in their newest version, the first of equals; null when all are older. */
export function nearest(major: string, candidates: readonly ClientTools[]): ClientTools | null {
  const fitting = candidates.filter(({ version }) => majorNumber(version) >= majorNumber(major));
  return fitting.sort((a, b) => byMajorThenNewest(a.version, b.version))[0] ?? null;
}

function byMajorThenNewest(a: string, b: string): number {
  const minor = (version: string) => Number(version.split('.')[1] ?? 0);
  return majorNumber(a) - majorNumber(b) || minor(b) - minor(a);
}
