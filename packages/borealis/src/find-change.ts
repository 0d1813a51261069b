import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  CHANGE_KINDS,
  type ChangeKind,
  type ChangeQuery,
  type FoundChanges,
  type TableChange,
} from '@borealis/contract';
import { Failure } from './failure.js';
import type { OperatorClient } from './operator-client.js';
import { formatTableName, parseTableName } from './table-name.js';

/** Of updates there are many that nobody regrets. */
const USUAL_KINDS: ChangeKind[] = ['delete', 'truncate', 'drop'];
const ASK_AGAIN_MS = 200;
const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `borealis find-change …`; returns the exit status. Throws a `Failure` with the reason when nothing can be searched. */
export async function findChange(service: () => Promise<OperatorClient>, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      table: { type: 'string', short: 't' },
      kind: { type: 'string', short: 'k', multiple: true },
      since: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [addon, ...rest] = positionals;
  if (!addon || rest.length > 0)
    throw new Failure('Say which add-on, by its name or id: borealis find-change ADDON --table orders');
  const query = {
    search: randomUUID(),
    table: values.table === undefined ? null : parseTableName(values.table),
    kinds: values.kind ? values.kind.map(parseKind) : USUAL_KINDS,
    since: values.since === undefined ? null : parseSince(values.since, Date.now()),
  };
  const client = await service();
  const { id, name } = await client.find(addon);
  const found = await untilFound(client, id, query);
  process.stdout.write(values.json ? `${JSON.stringify(asJson(name, found), null, 2)}\n` : describe(name, found));
  return 0;
}

function parseKind(text: string): ChangeKind {
  const kind = CHANGE_KINDS.find((known) => known === text);
  if (!kind) throw new Failure(`There is no kind "${text}": there are ${CHANGE_KINDS.join(', ')}.`);
  return kind;
}

/** A time, which the service reads, or how long ago: `30m`, `2h`, `3d`. */
export function parseSince(text: string, now: number): string {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  return count && unit ? new Date(now - Number(count) * UNIT_MS[unit]!).toISOString() : text;
}

/** Asks until the search has found; what the terminal shows meanwhile is gone in the end. */
async function untilFound(client: OperatorClient, id: string, query: ChangeQuery): Promise<FoundChanges> {
  const show = (text: string) => void (process.stderr.isTTY && process.stderr.write(`\r\x1b[2K${text}`));
  try {
    for (;;) {
      const answer = await client.findChanges(id, query);
      if (answer.state === 'found') return answer.found;
      const { read, total } = answer.segments;
      show(total === 0 ? 'Waiting for the log…' : `Reading the log: ${read} of ${total} segments`);
      await sleep(ASK_AGAIN_MS);
    }
  } finally {
    show('');
  }
}

const commandFor = (addon: string, { restoreTo }: TableChange) =>
  `heroku borealis-pg:restore:execute --addon ${addon} --restore-to-time ${restoreTo} --wait`;

function asJson(addon: string, found: FoundChanges): object {
  return {
    addon,
    ...found,
    changes: found.changes.map((change) => ({ ...change, command: commandFor(addon, change) })),
  };
}

/** What was found, oldest first: the last lines are what a person has just done. */
export function describe(addon: string, { from, to, changes, omitted, notes }: FoundChanges): string {
  const nothing = `Nothing was found in ${addon} from ${from} to ${to}.`;
  const older = `${omitted} older changes are not listed: ask for a table, a kind or a later time.`;
  const lines = [
    ...(omitted > 0 ? [older, ''] : []),
    ...changes.flatMap((change) => [...describeChange(addon, change), '']),
    ...(changes.length === 0 ? [nothing] : [`That is all from ${from} to ${to}.`]),
    ...notes,
  ];
  return `${lines.join('\n')}\n`;
}

const CROWDED =
  '  Another transaction that committed just before bears the same time or a later one: the restore may be without it, too.';

function describeChange(addon: string, change: TableChange): string[] {
  return [
    `${change.committedAt}  transaction ${change.transaction}: ${sentence(change)}`,
    `  to have it back: ${commandFor(addon, change)}`,
    ...(change.isCrowded ? [CROWDED] : []),
  ];
}

function sentence({ kind, table, file, rows }: TableChange): string {
  const name = table ? formatTableName(table) : `a table that is not known${file === null ? '' : ` (file ${file})`}`;
  const counted = `${rows} ${rows === 1 ? 'row' : 'rows'}`;
  const sentences: Record<ChangeKind, string> = {
    delete: `${counted} deleted from ${name}`,
    update: `${counted} of ${name} updated`,
    truncate: `${name} emptied by TRUNCATE`,
    drop: `${name} dropped`,
  };
  return sentences[kind];
}
