import { parseArgs } from 'node:util';
import { type AnnouncedMajorUpgrade, findPlan } from '@borealis/contract';
import { Failure } from './failure.js';
import type { OperatorAddon, OperatorClient } from './operator-client.js';

const USAGE = 'borealis upgrade-major ADDON | --all-shared --to N [--in 7d] [--cancel] [--json]';
const UNIT_SECONDS: Record<string, number> = { m: 60, h: 3600, d: 86_400 };

interface Outcome {
  clusterId: string;
  /** Null: it was cancelled, or could not be announced. */
  announced: AnnouncedMajorUpgrade | null;
  error: string | null;
}

/**
 * `borealis upgrade-major …`: announces the upgrade of clusters that add-ons share, or takes that back. Returns the exit status: 1 when it did not work
 * for one of them.
 */
export async function upgradeMajor(service: () => Promise<OperatorClient>, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      to: { type: 'string' },
      in: { type: 'string', default: '7d' },
      'all-shared': { type: 'boolean', default: false },
      cancel: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [addon, ...rest] = positionals;
  const isClear = rest.length === 0 && values['all-shared'] === (addon === undefined);
  if (!isClear || values.cancel === (values.to !== undefined))
    throw new Failure(`Say which cluster, by an add-on in it, and what to do: ${USAGE}`);
  const inSeconds = parseDelay(values.in);
  const client = await service();
  const wanted = addon === undefined ? await sharing(client, values.to) : [await client.find(addon)];
  const outcomes: Outcome[] = [];
  for (const clusterId of new Set(wanted.map((one) => one.clusterId))) {
    outcomes.push(await change(client, clusterId, values.to, inSeconds));
    if (!values.json) process.stdout.write(`${describe(outcomes.at(-1)!)}\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);
  else if (outcomes.length === 0) process.stdout.write('There is no shared cluster to upgrade.\n');
  return outcomes.some(({ error }) => error !== null) ? 1 : 0;
}

/** Every add-on that shares a cluster, of an older major than the wanted one. */
async function sharing(client: OperatorClient, to: string | undefined): Promise<OperatorAddon[]> {
  const isShared = ({ plan }: OperatorAddon) => findPlan(plan)?.tenancy === 'shared';
  const isOlder = ({ postgresMajor }: OperatorAddon) => to === undefined || Number(postgresMajor) < Number(to);
  return (await client.addons()).filter((addon) => isShared(addon) && isOlder(addon));
}

async function change(
  client: OperatorClient,
  clusterId: string,
  to: string | undefined,
  inSeconds: number,
): Promise<Outcome> {
  try {
    if (to !== undefined)
      return { clusterId, announced: await client.announceMajorUpgrade(clusterId, to, inSeconds), error: null };
    await client.cancelMajorUpgrade(clusterId);
    return { clusterId, announced: null, error: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { clusterId, announced: null, error: error.message };
  }
}

/** `30m`, `12h` or `7d`, in seconds. */
export function parseDelay(text: string): number {
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const seconds = Number(count) * UNIT_SECONDS[unit!]!;
  if (!unit || seconds > 90 * 86_400)
    throw new Failure(`"${text}" is not when to begin: write it like 0m, 12h or 7d, at most 90 days.`);
  return seconds;
}

/** What is told of one cluster. */
export function describe({ clusterId, announced, error }: Outcome): string {
  if (error !== null) return `Cluster ${clusterId}: ${error}`;
  if (!announced) return `Cluster ${clusterId}: the upgrade is taken back.`;
  const { from, to, beginsAfter, addons } = announced;
  return `Cluster ${clusterId} is upgraded from PostgreSQL ${from} to ${to} after ${beginsAfter}; whoever owns the app of its ${addons.length === 1 ? 'add-on' : `${addons.length} add-ons`} gets an e-mail.`;
}
