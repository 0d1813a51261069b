import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const PAGE = resolve(import.meta.dirname, '../../docs/clients.md');

/** A program of docs/clients.md. */
export interface ClientProgram {
  /** As it stands there, newline at the end included. */
  plain: string;
  /** With the page's change that makes it verify the server's name; the same as `plain` where the page has none. */
  verified: string;
}

/** The program below a heading of docs/clients.md. Throws when there is none, or when its change does not fit it. */
export function clientProgram(heading: string): ClientProgram {
  const section = readFileSync(PAGE, 'utf8')
    .split(/^## /m)
    .find((text) => text.startsWith(`${heading}\n`));
  const blocks = [...(section ?? '').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  const [, language, plain] = blocks[0] ?? [];
  if (!plain || language === 'diff') throw new Error(`docs/clients.md has no program for ${heading}`);
  const change = blocks.find((block) => block[1] === 'diff')?.[2];
  return { plain, verified: change ? apply(change, plain) : plain };
}

function apply(change: string, program: string): string {
  return change.split(/^@@\n/m).reduce((text, hunk) => {
    const lines = hunk.split('\n').slice(0, -1);
    const side = (marks: string) =>
      lines.filter((line) => marks.includes(line[0]!)).map((line) => `${line.slice(1)}\n`);
    const before = side(' -').join('');
    if (!text.includes(before)) throw new Error(`a change in docs/clients.md does not fit its program: ${before}`);
    return text.replace(before, () => side(' +').join(''));
  }, program);
}
