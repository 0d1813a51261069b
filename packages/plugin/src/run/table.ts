import { drawTable } from '../table.js';
import type { SqlResult } from './sql.js';

// int8, int2, int4, oid, float4, float8, numeric
const NUMBERS = new Set([20, 21, 23, 26, 700, 701, 1700]);

/** A table as psql draws it, with the number of rows below. */
export function formatTable({ columns, rows, rowCount }: SqlResult): string {
  const count = `(${rowCount} ${rowCount === 1 ? 'row' : 'rows'})`;
  if (columns.length === 0) return count;
  const names = columns.map(({ name }) => name);
  const numeric = columns.map(({ typeId }) => NUMBERS.has(typeId));
  return `${drawTable(names, rows, numeric)}\n${count}`;
}
