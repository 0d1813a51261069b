import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const PAGE = resolve(import.meta.dirname, '../../../../docs/reference/sessions.md');

/** A row of the matrix in docs/reference/sessions.md. */
export interface Row {
  state: string;
  /** What it says of a planned move. */
  planned: string;
  /** Names of the drivers that it is shown with. */
  drivers: string[];
}

/** All of "What is moved". */
export function matrix(): Row[] {
  const section = readFileSync(PAGE, 'utf8').split('## What is moved')[1]!.split('\n## ')[0]!;
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) => {
    const [, state, planned, , , drivers] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return { state: state!, planned: planned!, drivers: drivers ? drivers.split(', ') : [] };
  });
}

/** What a program has to find after a planned move: `kept`, `lost` or `ended`, and the kind that an end is counted as. */
export function expected({ planned }: Row): { found: 'kept' | 'lost' | 'ended'; kind?: string } {
  const kind = /^no: `(\w+)`/.exec(planned)?.[1];
  if (kind) return { found: 'ended', kind };
  if (planned === 'no') return { found: 'lost' };
  if (/^(yes|waited for)\b/.test(planned)) return { found: 'kept' };
  throw new Error(`The matrix says "${planned}" of a planned move, which no test understands.`);
}
