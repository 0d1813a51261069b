import { parseArgs } from 'node:util';
import type { ReleaseOverview } from '@borealis/contract';
import { Failure } from './failure.js';
import type { OperatorClient } from './operator-client.js';

const USAGE = 'Say what to do: borealis releases [--json], or borealis releases allow VERSION';

/** `borealis releases …`; returns the exit status. */
export async function releasesCommand(service: OperatorClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  const [what, version, ...rest] = positionals;
  if (what === 'allow' && version && rest.length === 0) {
    await service.allowRelease(version);
    process.stdout.write(`PostgreSQL ${version} is tried again where it is due.\n`);
    return 0;
  }
  if (what !== undefined) throw new Failure(USAGE);
  const overview = await service.releases();
  process.stdout.write(values.json ? `${JSON.stringify(overview, null, 2)}\n` : describeReleases(overview));
  return 0;
}

/** The overview in lines: the releases, then the clusters that run them. */
export function describeReleases({ automatic, releases, clusters }: ReleaseOverview): string {
  const there = releases.flatMap(({ major, version, system, cached, refused }) => [
    `PostgreSQL ${major}: ${version}${cached ? '' : ', not fetched yet'}`,
    ...(system === null ? [] : [`  of this system: ${system}`]),
    ...refused.map((one) => `  refused: ${one.reason} (since ${one.at})`),
  ]);
  const running = clusters.map((cluster) => {
    const names = cluster.addons.map(({ name }) => name).join(', ') || 'no add-on';
    const shared = cluster.tenancy === 'shared' ? ' (shared)' : '';
    return `${names}${shared}: ${cluster.version ?? `${cluster.major}, not running`}${cluster.build === 'system' ? ' of this system' : ''}${plan(cluster.rollout, automatic)}`;
  });
  return `${[...there, '', ...running].join('\n').trimEnd()}\n`;
}

function plan(rollout: ReleaseOverview['clusters'][number]['rollout'], automatic: boolean): string {
  if (!rollout || rollout.state === 'done') return '';
  const { version, dueAt, error } = rollout;
  const why = error === null ? '' : `; ${error}`;
  if (rollout.state === 'running') return `, is being upgraded to ${version}`;
  if (rollout.state === 'held') return `, stays there instead of ${version} because the operator has put it in place`;
  if (rollout.state === 'failed') return `, was not upgraded to ${version}${why}`;
  return automatic ? `, ${version} is planned from ${dueAt} on${why}` : `, ${version} is there${why}`;
}
