import pg from 'pg';
import { parse as parseYaml } from 'yaml';

const { builtins } = pg.types;
// Its types list scalars only, though it knows arrays as well.
const parserOf = pg.types.getTypeParser as (typeId: number) => (text: string) => unknown;
const TEXT_ARRAY = 1009;

/** Scalars that JSON and YAML can hold exactly. Wider numbers stay text, as a reader with doubles would round them. */
const NATIVE = new Set<number>([
  builtins.BOOL,
  builtins.INT2,
  builtins.INT4,
  builtins.OID,
  builtins.FLOAT4,
  builtins.FLOAT8,
]);
const NATIVE_ARRAYS = new Set([1000, 1005, 1007, 1021, 1022, 1028]);
/** Arrays whose elements are best left as PostgreSQL writes them: text, times, wide numbers, networks, identifiers. */
const TEXT_ARRAYS = new Set([
  1001, 1002, 1003, 1009, 1014, 1015, 1016, 1041, 1115, 1182, 1183, 1185, 1187, 1231, 1270, 2951,
]);
const JSON_TYPES = new Set<number>([builtins.JSON, builtins.JSONB]);

export function isJson(typeId: number): boolean {
  return JSON_TYPES.has(typeId);
}

/** A value for JSON or YAML: what is exact in them natively, everything else as PostgreSQL's own text. */
export function nativeValue(text: string | null, typeId: number): unknown {
  if (text === null) return null;
  // JSON is YAML, and this parser keeps integers of any size.
  if (isJson(typeId)) return parseYaml(text, { intAsBigInt: true, uniqueKeys: false });
  if (NATIVE.has(typeId) || NATIVE_ARRAYS.has(typeId)) return parserOf(typeId)(text);
  if (TEXT_ARRAYS.has(typeId)) return parserOf(TEXT_ARRAY)(text);
  return text;
}
