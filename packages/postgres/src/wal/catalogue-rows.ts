import { WalError } from './wal-error.js';
import type { WalFormat } from './wal-format.js';

/** PostgreSQL's own object numbers of the catalogues that are read. */
export const CATALOGUE = { relations: 1259, namespaces: 2615, databases: 1262 } as const;
/** Objects below are PostgreSQL's own. */
export const FIRST_USER_OBJECT = 16_384;
const NAME_BYTES = 64;

/** A row of `pg_class`: a table, an index, a sequence, … */
export interface Relation {
  oid: number;
  name: string;
  namespace: number;
  /** The number of its file; 0 where it has none, and where PostgreSQL notes it elsewhere. */
  file: number;
  /** PostgreSQL's letter: `r` a table, `p` a partitioned one, `m` a materialized view, `t` TOAST. */
  kind: string;
  /** PostgreSQL's letter: `p` it is in the log, `u` it is unlogged, `t` it is of one session. */
  persistence: string;
}

/** A row of a catalogue that begins with a number and a name. */
export interface Named {
  oid: number;
  name: string;
}

export function readRelation(columns: Buffer, format: WalFormat): Relation {
  const letterAt = (at: number) => String.fromCharCode(columns.readUInt8(at));
  return {
    ...readNamed(columns),
    namespace: columns.readUInt32LE(68),
    file: columns.readUInt32LE(88),
    kind: letterAt(format.relationKindAt),
    persistence: letterAt(format.relationKindAt - 1),
  };
}

export function readNamed(columns: Buffer): Named {
  const name = columns.subarray(4, 4 + NAME_BYTES);
  const end = name.indexOf(0);
  if (end < 0) throw new WalError('A row of a catalogue is not made as such rows are.');
  return { oid: columns.readUInt32LE(0), name: name.toString('utf8', 0, end) };
}

/** Which files hold the catalogues that PostgreSQL needs before it can look anything up, by their object numbers. */
export function readFileMap(map: Buffer): Map<number, number> {
  const count = map.readUInt32LE(4);
  if (map.readUInt32LE(0) !== 0x592717 || 8 + count * 8 > map.length)
    throw new WalError('The map of the catalogues is not made as such maps are.');
  return new Map(
    Array.from({ length: count }, (_, at) => [map.readUInt32LE(8 + at * 8), map.readUInt32LE(12 + at * 8)]),
  );
}
