import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { MinorUpgrade, MinorUpgradeRequest } from '@borealis/contract';
import { Failure } from './failure.js';
import type { OperatorClient } from './operator-client.js';
import { untilEnded } from './until-ended.js';

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600 };

type Ended = Exclude<MinorUpgrade, { state: 'running' }>;
type SessionsMoved = Pick<Extract<MinorUpgrade, { state: 'done' }>, 'pauseMs' | 'kept' | 'closed'>;

/** `borealis upgrade-minor …`; returns the exit status: 1 for an upgrade that failed. Throws a `Failure` with the reason when none was begun. */
export async function upgradeMinor(service: () => Promise<OperatorClient>, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      to: { type: 'string' },
      wait: { type: 'string', default: '10m' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [addon, ...rest] = positionals;
  if (!addon || rest.length > 0)
    throw new Failure('Say which add-on, by its name or id: borealis upgrade-minor ADDON [--to 16.14]');
  const client = await service();
  const { id, name } = await client.find(addon);
  const wanted: MinorUpgradeRequest = {
    request: randomUUID(),
    version: values.to ?? null,
    force: values.force,
    patienceSeconds: parseWait(values.wait),
  };
  const ended = await untilEnded<MinorUpgrade>(() => client.upgradeMinor(id, wanted));
  process.stdout.write(values.json ? `${JSON.stringify({ addon: name, ...ended }, null, 2)}\n` : describe(name, ended));
  return ended.state === 'done' ? 0 : 1;
}

/** `90s`, `10m` or `1h`, in seconds. */
export function parseWait(text: string): number {
  const [, count, unit] = /^(\d{1,5})([smh])$/.exec(text) ?? [];
  const seconds = Number(count) * UNIT_SECONDS[unit!]!;
  if (!unit || seconds > 86_400)
    throw new Failure(`"${text}" is not how long to wait: write it like 90s, 10m or 1h, at most a day.`);
  return seconds;
}

/** What came of it, in one line. */
export function describe(addon: string, ended: Ended): string {
  const { from, to } = ended;
  if (ended.state === 'failed') return `${addon} was not upgraded from PostgreSQL ${from} to ${to}: ${ended.reason}\n`;
  if (from === to) return `${addon} runs PostgreSQL ${to} already.\n`;
  return `${addon} went from PostgreSQL ${from} to ${to}: ${sessionsMoved(ended)}.\n`;
}

/** What sessions noticed while one server took over from another. */
export function sessionsMoved({ pauseMs, kept, closed }: SessionsMoved): string {
  const pause = pauseMs === null ? 'how long queries waited is not known' : `queries waited for ${pauseMs} ms`;
  return `${pause}, ${sessions(kept, closed)}`;
}

function sessions(kept: number | null, closed: Record<string, number>): string {
  const kinds = Object.entries(closed).filter(([, count]) => count > 0);
  const living = kept === null ? 'how many sessions were kept is not known' : `${counted(kept)} kept`;
  const ended = kinds.map(([kind, count]) => `${counted(count)} closed (${kind})`);
  return [living, ...(ended.length === 0 ? ['none closed'] : ended)].join(', ');
}

const counted = (count: number) => `${count} ${count === 1 ? 'session' : 'sessions'}`;
