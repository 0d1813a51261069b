import { Failure } from './failure.js';

const PART = '(?:"((?:[^"]|"")+)"|([\\p{L}_][\\p{L}\\p{N}_$]*))';
const NAME = new RegExp(`^(?:${PART}\\.)?${PART}$`, 'u');

/** Reads a table's name as SQL does: `orders`, `sales.orders`, `"Old Orders"`. Throws a `Failure` for what is none. */
export function parseTableName(text: string): { schema: string | null; name: string } {
  const parts = NAME.exec(text.trim());
  if (!parts)
    throw new Failure(
      `"${text}" is not the name of a table: write it as in SQL, orders, sales.orders or '"Old Orders"'.`,
    );
  const [, quotedSchema, schema, quotedName, name] = parts;
  return { schema: identifier(quotedSchema, schema), name: identifier(quotedName, name)! };
}

/** Writes a name so that SQL reads it as it is. */
export function formatTableName({ schema, name }: { schema: string; name: string }): string {
  const quote = (part: string) => (/^[a-z_][a-z0-9_]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`);
  return `${quote(schema)}.${quote(name)}`;
}

function identifier(quoted: string | undefined, plain: string | undefined): string | null {
  if (quoted !== undefined) return quoted.replaceAll('""', '"');
  return plain === undefined ? null : plain.toLowerCase();
}
