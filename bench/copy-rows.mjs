import { describeRange, median, ratiosOf } from './statistics.mjs';

const PARTS = ['before', 'copying', 'after', 'total'];
const valuesOf = (copies, part) => copies.map((copy) => copy[part]);

/** One copy in a line of progress. */
export function describeCopy(copy) {
  const [before, copying, after, total] = PARTS.map((part) => copy[part].toFixed(2));
  return `${before} + ${copying} + ${after} = ${total} s (${copy.method})`;
}

/** The median of each part of these copies, as a row of a table. */
export function copyRow(name, copies) {
  const medians = PARTS.map((part) => `${median(valuesOf(copies, part)).toFixed(2)} s`);
  const methods = [...new Set(valuesOf(copies, 'method'))].join(', ');
  return [name, ...medians, describeRange(valuesOf(copies, 'total')), methods];
}

/** What a part takes of the last of `copies` (by name), of what it takes of the first. */
export function growthRow(what, copies, part, below) {
  const [[smallest, few], [largest, many]] = [Object.entries(copies)[0], Object.entries(copies).at(-1)];
  const ratios = ratiosOf(valuesOf(many, part), valuesOf(few, part));
  return {
    name: `${what}: what ${largest} takes, of what ${smallest} takes`,
    value: median(ratios),
    unit: '',
    ...(below && { target: { below } }),
    detail: describeRange(ratios),
  };
}
