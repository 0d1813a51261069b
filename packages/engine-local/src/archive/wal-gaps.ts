import { historyName, isSegment, parseHistory, parseSegment, segmentName, type WalSegment } from './wal-names.js';

/** Where a timeline begins, by the number of its first segment. */
interface Branch {
  timeline: number;
  begin: number;
}

/**
 * Which files a recovery from a segment to the newest one of the newest timeline needs and `names` has not. `readHistory` gives the text
 * of a history that is there.
 */
export async function missingFiles(
  names: readonly string[],
  from: string,
  readHistory: (name: string) => Promise<string>,
): Promise<string[]> {
  const there = new Set(names);
  return (await neededFiles(names, from, readHistory)).filter((name) => !there.has(name));
}

/** The segments that such a recovery reads, in their order; where their order cannot be told, the one history that is missing. */
export async function neededFiles(
  names: readonly string[],
  from: string,
  readHistory: (name: string) => Promise<string>,
): Promise<string[]> {
  const first = parseSegment(from);
  const newest = newestOf([from, ...names.filter(isSegment)].map(parseSegment));
  const branches: Branch[] = [{ timeline: first.timeline, begin: 0 }];
  if (newest.timeline !== first.timeline) {
    const history = historyName(newest.timeline);
    if (!names.includes(history)) return [history];
    branches.push(...branchesOf(newest.timeline, await readHistory(history)));
  }
  return segmentsBetween(first.number, newest.number, branches);
}

function newestOf(segments: readonly WalSegment[]): WalSegment {
  return segments.reduce((a, b) =>
    b.timeline > a.timeline || (b.timeline === a.timeline && b.number > a.number) ? b : a,
  );
}

/** A timeline begins in the very segment in which its parent was left, with a copy of what the parent had written of it. */
function branchesOf(newest: number, history: string): Branch[] {
  const ancestors = parseHistory(history);
  return ancestors.map(({ left }, at) => ({ timeline: ancestors[at + 1]?.timeline ?? newest, begin: left }));
}

/** PostgreSQL takes each segment from the newest timeline that has it. */
function segmentsBetween(first: number, last: number, branches: readonly Branch[]): string[] {
  const names: string[] = [];
  for (let number = first; number <= last; number++) {
    const { timeline } = branches.findLast(({ begin }) => begin <= number)!;
    names.push(segmentName({ timeline, number }));
  }
  return names;
}
