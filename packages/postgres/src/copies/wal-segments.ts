/** The segments of one timeline from the one named `first` up to the one that holds the last byte before `end` (an LSN such as `0/3000000`). */
export function segmentsUntil(first: string, end: string, segmentBytes: number): string[] {
  const perId = 0x1_0000_0000 / segmentBytes;
  const number = (text: string) => Number.parseInt(text, 16);
  const last = Math.ceil(lsnBytes(end) / segmentBytes) - 1;
  const names: string[] = [];
  for (let next = number(first.slice(8, 16)) * perId + number(first.slice(16, 24)); next <= last; next++)
    names.push(first.slice(0, 8) + hex(Math.floor(next / perId)) + hex(next % perId));
  return names;
}

/** Exact up to 8 PiB of log. */
function lsnBytes(lsn: string): number {
  const [high, low] = lsn.split('/').map((half) => Number.parseInt(half, 16));
  return high! * 0x1_0000_0000 + low!;
}

const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
