/** What `pg_restore` could not restore, by the beginnings of its commands: its own sentences, and what follows there, may quote rows. */
export function complaintsIn(said: string, madeBefore: ReadonlySet<string>): string[] {
  const lines = said.split('\n');
  return lines.flatMap((line, at) => {
    if (!line.startsWith('pg_restore: error: ') || isHarmless(line)) return [];
    const what = copied(line) ?? commanded(lines[at + 1] ?? '') ?? 'its end';
    return /already exists$/.test(line) && madeBefore.has(what) ? [] : [what];
  });
}

/** `COPY "orders"`. */
function copied(line: string): string | null {
  const table = /COPY failed for table ("(?:[^"]|"")*")/.exec(line)?.[1];
  return table === undefined ? null : `COPY ${table}`;
}

/** `CREATE INDEX by_name ON public.orders`, without anything that could be a value. */
function commanded(line: string): string | null {
  const command = /^Command was: ([^('$;]+)/.exec(line)?.[1];
  return command === undefined ? null : command.trim().split(/\s+/).slice(0, 6).join(' ').slice(0, 200);
}

/** A newer program knows settings that an older server does not have. */
const isHarmless = (line: string) => /unrecognized configuration parameter "\w+_timeout"/.test(line);
