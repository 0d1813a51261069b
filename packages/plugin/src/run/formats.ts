import { stringify as stringifyYaml } from 'yaml';
import type { SqlResult } from './sql.js';
import { formatTable } from './table.js';
import { isJson, nativeValue } from './values.js';

export const FORMATS = ['table', 'csv', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** A result as text without a newline at its end; empty where the format has nothing to say. */
export function formatResult(result: SqlResult, format: Format): string {
  return FORMATTERS[format](result);
}

const FORMATTERS: Record<Format, (result: SqlResult) => string> = {
  table: formatTable,
  csv: formatCsv,
  json: formatJson,
  yaml: (result) => stringifyYaml(objects(result), { lineWidth: 0 }).replace(/\n$/, ''),
};

function formatCsv({ columns, rows }: SqlResult): string {
  if (columns.length === 0) return '';
  const header = columns.map(({ name }) => csvCell(name));
  return [header, ...rows.map((row) => row.map(csvCell))].map((cells) => cells.join(',')).join('\n');
}

/** As PostgreSQL's COPY writes it: NULL is nothing, an empty string is a pair of quotes. */
function csvCell(value: string | null): string {
  if (value === null) return '';
  return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** `json` and `jsonb` values are passed on as they are, which keeps numbers that JavaScript would round. */
function formatJson({ columns, rows }: SqlResult): string {
  const names = uniqueNames(columns);
  const row = (cells: (string | null)[]) => {
    const members = cells.map((cell, i) => `    ${JSON.stringify(names[i])}: ${jsonCell(cell, columns[i]!.typeId)}`);
    return members.length === 0 ? '  {}' : `  {\n${members.join(',\n')}\n  }`;
  };
  return rows.length === 0 ? '[]' : `[\n${rows.map(row).join(',\n')}\n]`;
}

function jsonCell(cell: string | null, typeId: number): string {
  if (cell !== null && isJson(typeId)) return cell;
  return JSON.stringify(nativeValue(cell, typeId), (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}

function objects({ columns, rows }: SqlResult): Record<string, unknown>[] {
  const names = uniqueNames(columns);
  return rows.map((row) =>
    Object.fromEntries(row.map((cell, i) => [names[i]!, nativeValue(cell, columns[i]!.typeId)])),
  );
}

/** SQL allows several columns of one name, an object does not: the second `id` becomes `id_2`. */
function uniqueNames(columns: SqlResult['columns']): string[] {
  const taken = new Set(columns.map(({ name }) => name));
  const seen = new Set<string>();
  return columns.map(({ name }) => {
    let unique = name;
    for (let n = 2; seen.has(unique); n++) unique = taken.has(`${name}_${n}`) ? unique : `${name}_${n}`;
    seen.add(unique);
    return unique;
  });
}
