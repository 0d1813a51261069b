import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { MEASURES } from './options.mjs';
import { renderPage } from './report.mjs';

const PAGE = resolve(import.meta.dirname, '../docs/benchmarks.md');
const KEPT = resolve(import.meta.dirname, 'figures.generated.json');

/** Keeps what a measure has found, in the place of what it found before, and writes the page anew: a run may be a part, or be broken off. */
export async function keepFigures(name, figures, sizes) {
  const kept = { ...(await readKept()), [name]: figures };
  const inOrder = Object.fromEntries(MEASURES.filter((one) => one in kept).map((one) => [one, kept[one]]));
  await writeFile(KEPT, `${JSON.stringify(inOrder, null, 1)}\n`);
  await writeFile(PAGE, renderPage(inOrder, sizes));
}

async function readKept() {
  try {
    return JSON.parse(await readFile(KEPT, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}
