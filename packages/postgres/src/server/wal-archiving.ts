import { relative } from 'node:path';
import type pg from 'pg';
import type { ServerSpec } from './spec.js';

/**
 * How a command that PostgreSQL runs in its data directory names this path: quoted for the shell, with PostgreSQL's own `%` taken
 * literally. Relative, because PostgreSQL cuts a command at 1023 bytes without a word.
 */
export function pathInCommand(dataDirectory: string, path: string): string {
  return `'${relative(dataDirectory, path).replaceAll('%', '%%').replaceAll("'", `'\\''`)}'`;
}

/**
 * Copies a finished file of WAL into the spool, where it appears under its name only when it is whole and durable. PostgreSQL keeps its
 * own as long as this fails, and may ask again for one that is there: it is never replaced, and another content is an error. `sync`
 * of some systems takes no file and writes out everything: it is run all the same.
 */
function archiveCommand({ dataDirectory }: ServerSpec, spool: string): string {
  const target = '"$d/%f"';
  const copy = `cp "%p" "$t" && sync "$t" && mv "$t" ${target}`;
  return `d=${pathInCommand(dataDirectory, spool)}; t="$d/.%f.$$"; if [ -e ${target} ]; then cmp -s "%p" ${target}; else ${copy} || { rm -f "$t"; false; }; fi && sync "$d"`;
}

/** The settings that make a server archive its WAL into the spool, or not at all. */
export function archiveSettings(spec: ServerSpec): Record<string, string> {
  if (spec.walSpool === undefined) return { archive_mode: 'off' };
  return { archive_mode: 'on', archive_command: archiveCommand(spec, spec.walSpool) };
}

/** True when the running server copies its WAL into the spool: one that was started without archiving does so only from its next start. */
export async function isArchiving(client: pg.Client, spec: ServerSpec): Promise<boolean> {
  if (spec.walSpool === undefined) return false;
  const { rows } = await client.query<{ mode: string; command: string }>(
    `select current_setting('archive_mode') as mode, current_setting('archive_command') as command`,
  );
  return rows[0]!.mode === 'on' && rows[0]!.command === archiveCommand(spec, spec.walSpool);
}
