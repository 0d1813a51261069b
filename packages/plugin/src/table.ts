/** A table as psql draws it; null is shown as nothing. Columns of numbers are the ones to align at the right. */
export function drawTable(columns: string[], rows: (string | null)[][], rightAligned: boolean[] = []): string {
  const body = rows.map((row) => row.map(cellLines));
  const header = columns.map(cellLines);
  const widths = columns.map((_, i) => Math.max(...[header, ...body].map((cells) => widest(cells[i]!))));
  return [
    ...drawRow(header, widths, []),
    widths.map((width) => '-'.repeat(width + 2)).join('+'),
    ...body.flatMap((cells) => drawRow(cells, widths, rightAligned)),
  ].join('\n');
}

/** A value of several lines takes several lines of the table; a `+` says that it goes on. */
function drawRow(cells: string[][], widths: number[], rightAligned: boolean[]): string[] {
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => {
    const parts = cells.map((lines, i) => {
      const text = padded(lines[line] ?? '', widths[i]!, rightAligned[i] ?? false);
      return ` ${text}${line + 1 < lines.length ? '+' : ' '}`;
    });
    return parts.join('|').replace(/ +$/, '');
  });
}

/** Lines of a value. Control characters are shown, not sent: data must not steer the reader's terminal. */
function cellLines(value: string | null): string[] {
  const shown = (char: string) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`;
  return (value ?? '').split('\n').map((line) => line.replace(/[\u0000-\u001f\u007f-\u009f]/g, shown));
}

function widest(lines: string[]): number {
  return Math.max(...lines.map(length));
}

function padded(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(width - length(text));
  return right ? space + text : text + space;
}

function length(text: string): number {
  return [...text].length;
}
