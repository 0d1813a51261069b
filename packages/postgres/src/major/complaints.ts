import { UPGRADE } from './names.js';

/** What the loader may not do or finds done: owners, rights and extensions are carried over by themselves. */
const EXPECTED = [
  /^(grant|revoke) /i,
  /^(set|reset) session authorization\b/i,
  /^alter [^;]* owner to [^;]*;?$/i,
  /^comment on extension /i,
  new RegExp(`^(create|alter) publication ${UPGRADE}\\b`, 'i'),
];

/** What `psql --echo-errors` could not run of a schema, a sentence each. `made`: schemas, as PostgreSQL writes them, that were there before. */
export function complaintsOf(said: string, made: readonly string[]): string[] {
  const blocks = said.split(/^psql:[^\n]*?: (?=ERROR:|STATEMENT:)/m).map((text) => text.trim());
  return blocks.flatMap((block, at) => {
    if (!block.startsWith('ERROR:')) return [];
    const message = block.slice('ERROR:'.length).split('\n')[0]!.trim();
    const statement = (
      blocks[at + 1]?.startsWith('STATEMENT:') ? blocks[at + 1]!.slice('STATEMENT:'.length) : ''
    ).trim();
    return isExpected(message, statement, made) ? [] : [`${beginningOf(statement)}: ${message}`];
  });
}

function isExpected(message: string, statement: string, made: readonly string[]): boolean {
  if (EXPECTED.some((pattern) => pattern.test(statement))) return true;
  // A newer program knows settings that an older server does not have.
  if (/^unrecognized configuration parameter "\w+"$/.test(message)) return /^(set|alter) /i.test(statement);
  const schema = /^create schema (.+?);?$/i.exec(statement)?.[1];
  return schema !== undefined && made.includes(schema);
}

/** `CREATE VIEW public.v AS SELECT …`: enough to be found by. */
function beginningOf(statement: string): string {
  const line = statement.replace(/\s+/g, ' ');
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
