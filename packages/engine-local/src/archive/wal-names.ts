const SEGMENT = /^[0-9A-F]{24}$/;
const HISTORY = /^[0-9A-F]{8}\.history$/;
/** Beside segments and histories: the unfinished last segment of a timeline that was left, and notes on base backups. */
const WAL_FILE = /^(?:[0-9A-F]{24}(?:\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history)$/;

/** Bytes of one segment: every cluster is made with PostgreSQL's default. */
export const SEGMENT_BYTES = 16 * 1024 * 1024;
const SEGMENTS_PER_LOG = 2 ** 32 / SEGMENT_BYTES;

/** A segment by its timeline and its number since the beginning of time, which goes on from one timeline to the next. */
export interface WalSegment {
  timeline: number;
  number: number;
}

/** True for every name that PostgreSQL archives a file under. */
export function isWalFile(name: string): boolean {
  return WAL_FILE.test(name);
}

/** True for the name of a whole segment. */
export function isSegment(name: string): boolean {
  return SEGMENT.test(name);
}

/** True for the name of a timeline's history. */
export function isHistory(name: string): boolean {
  return HISTORY.test(name);
}

/** Reads the segment's name, also in front of `.partial` and `.backup`; throws on a history's. */
export function parseSegment(name: string): WalSegment {
  if (!isWalFile(name) || isHistory(name)) throw new Error(`"${name}" is not the name of a WAL segment.`);
  const [timeline, log, segment] = [0, 8, 16].map((at) => Number.parseInt(name.slice(at, at + 8), 16));
  return { timeline: timeline!, number: log! * SEGMENTS_PER_LOG + segment! };
}

export function segmentName({ timeline, number }: WalSegment): string {
  const parts = [timeline, Math.floor(number / SEGMENTS_PER_LOG), number % SEGMENTS_PER_LOG];
  return parts.map((part) => part.toString(16).toUpperCase().padStart(8, '0')).join('');
}

export function historyName(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
}

/** The timelines that a history names as its ancestors, oldest first, each with the number of the segment in which it was left. */
export function parseHistory(text: string): { timeline: number; left: number }[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+)\/([0-9A-F]+)/i.exec(line);
    if (!match) return [];
    const [log, offset] = [Number.parseInt(match[2]!, 16), Number.parseInt(match[3]!, 16)];
    return [{ timeline: Number(match[1]), left: log * SEGMENTS_PER_LOG + Math.floor(offset / SEGMENT_BYTES) }];
  });
}
