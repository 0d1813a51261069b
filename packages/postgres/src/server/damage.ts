/** What PostgreSQL says when files of its data are missing or are not what it wrote. Whatever is not listed is no proof of damage. */
const DAMAGE = [
  /could not (?:open|read) (?:file|directory) "(?:global|base|pg_\w+)\/[^"]*": (?:No such file or directory|read \d+ of \d+)/,
  /could not find the database system/,
  /incorrect checksum in control file/,
  /database files are incompatible with server/,
  /required WAL directory "pg_wal" does not exist/,
  /could not locate (?:a valid|required) checkpoint record/,
  /could not find redo location referenced by checkpoint record/,
  /WAL contains references to invalid pages/,
  /relation mapping file "[^"]*" contains (?:invalid data|incorrect checksum)/,
  /invalid page in block \d+ of relation/,
  /could not access status of transaction/,
];

/** What may pass by itself or is a person's to put right: beside any of these nothing is taken for damage. */
const OTHER_REASONS =
  /No space left|Disk quota|Permission denied|Operation not permitted|Cannot allocate memory|out of memory|Too many open files|Input\/output error|Read-only file system|terminated by signal 9|could not restore file|lock file|shared memory|configuration|invalid value for parameter|unrecognized|initialized by PostgreSQL version/i;

/** What every copied server says at its start. */
const HARMLESS = /skipping missing configuration file "[^"]*postgresql\.auto\.conf"/;

/** Lines that end no process. */
const LESS = /\] (?:LOG|WARNING|NOTICE|ERROR): {2}/;

/**
 * The sentence in which a server that does not start, or lets nobody in, says that its data is damaged: of its log, or of its answer. Null
 * when it says no such thing, and when something else may be the reason.
 */
export function damageIn(said: string): string | null {
  const lines = said.split('\n').filter((line) => !HARMLESS.test(line));
  if (lines.some((line) => OTHER_REASONS.test(line))) return null;
  const line = lines.find((text) => !LESS.test(text) && DAMAGE.some((pattern) => pattern.test(text)));
  return line?.replace(/^.*?(?:FATAL|PANIC|postgres):\s+/, '').trim() ?? null;
}
