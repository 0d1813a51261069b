import type { Contents } from './contents.js';

/** What is not as it was, one sentence each; empty when all is equal. */
export function differences(before: Contents, after: Contents): string[] {
  return [
    ...differingTables(before.tables, after.tables),
    ...differing('large objects', before.largeObjects, after.largeObjects),
    ...differingObjects(before.objects, after.objects),
    ...differingSequences(before.sequences ?? {}, after.sequences ?? {}),
    ...(before.rights ? differingRights(before.rights, after.rights ?? {}) : []),
  ];
}

function differingTables(before: Contents['tables'], after: Contents['tables']): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) => differing(`the table ${name}`, before[name], after[name]));
}

type Rows = Contents['largeObjects'] | undefined;

function differing(what: string, before: Rows, after: Rows): string[] {
  if (!after) return [`Of ${what} nothing is there.`];
  if (!before) return [`There is more than there was: ${what}.`];
  if (before.rows !== after.rows) return [`Of ${what} ${after.rows} rows are there instead of ${before.rows}.`];
  return before.checksum === after.checksum ? [] : [`The rows of ${what} are not those that were dumped.`];
}

function differingObjects(before: Contents['objects'], after: Contents['objects']): string[] {
  const kinds = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...kinds].flatMap((kind) => {
    const [was, is] = [before[kind] ?? 0, after[kind] ?? 0];
    return was === is ? [] : [`The number of objects of the kind "${kind}" is ${is} instead of ${was}.`];
  });
}

/** One that moved while it was dumped may stand anywhere. */
function differingSequences(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.entries(before).flatMap(([name, was]) => {
    const is = after[name];
    if (is === undefined) return [`The sequence ${name} is not there.`];
    return is === was ? [] : [`The sequence ${name} stands at ${is} instead of ${was}.`];
  });
}

function differingRights(before: Record<string, string>, after: Record<string, string>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => before[name] !== after[name]).map((name) => `It is not as it was: ${name}.`);
}
