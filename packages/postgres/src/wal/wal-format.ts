/** What differs from major to major in the parts of the log and of the catalogues that are read here. */
export interface WalFormat {
  major: number;
  /** Bits of an image's flags that say that it is compressed. */
  compressed: number;
  /** Bytes of one entry in the list of statistics that a commit drops; 0: it has no such list. */
  droppedStatsBytes: number;
  /** Where the kind of a relation stands in its row of `pg_class`. */
  relationKindAt: number;
}

/** By the number that every page of the log begins with. */
const FORMATS: Record<number, WalFormat> = {
  53510: { major: 13, compressed: 0x02, droppedStatsBytes: 0, relationKindAt: 115 },
  53517: { major: 14, compressed: 0x02, droppedStatsBytes: 0, relationKindAt: 115 },
  53520: { major: 15, compressed: 0x1c, droppedStatsBytes: 12, relationKindAt: 115 },
  53523: { major: 16, compressed: 0x1c, droppedStatsBytes: 12, relationKindAt: 115 },
  53526: { major: 17, compressed: 0x1c, droppedStatsBytes: 12, relationKindAt: 115 },
  53528: { major: 18, compressed: 0x1c, droppedStatsBytes: 16, relationKindAt: 119 },
};

/** Undefined for a log of a major that is not known here. */
export function formatOf(magic: number): WalFormat | undefined {
  return FORMATS[magic];
}

/** Of a data directory, by the major that its file `PG_VERSION` names. */
export function formatOfMajor(major: string): WalFormat | undefined {
  return Object.values(FORMATS).find((format) => String(format.major) === major.trim());
}
