import { parseArgs } from 'node:util';
import { Failure } from './failure.js';
import type { GatewayUpgrade, OperatorAddon, OperatorClient } from './operator-client.js';

const USAGE = 'borealis upgrade-gateway ADDON | --all [--json]';

interface Outcome {
  clusterId: string;
  /** Every add-on whose tunnels lead to it. */
  addons: string[];
  draining: GatewayUpgrade['draining'];
  error: string | null;
}

/**
 * Lets a new process take over from the gateway of an add-on's cluster, or from all of them one after the other. Returns the exit
 * status: 1 when one could not be replaced.
 */
export async function upgradeGatewayCommand(service: OperatorClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { all: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [addon, ...rest] = positionals;
  if (rest.length > 0 || values.all === (addon !== undefined)) throw new Failure(`Say which gateway: ${USAGE}`);
  const everyAddon = await service.addons();
  const wanted =
    addon === undefined ? everyAddon.filter(({ status }) => status === 'available') : [await service.find(addon)];
  const outcomes: Outcome[] = [];
  for (const one of clustersOf(wanted)) {
    const sharing = everyAddon.filter(({ clusterId }) => clusterId === one.clusterId).map(({ name }) => name);
    outcomes.push(await upgrade(service, one, sharing));
    if (!values.json) process.stdout.write(`${describe(outcomes.at(-1)!)}\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);
  return outcomes.some(({ error }) => error !== null) ? 1 : 0;
}

/** One add-on of each cluster: tenants of a shared one have one gateway. */
function clustersOf(addons: OperatorAddon[]): OperatorAddon[] {
  return [...new Map(addons.map((addon) => [addon.clusterId, addon])).values()];
}

async function upgrade(service: OperatorClient, { id, clusterId }: OperatorAddon, addons: string[]): Promise<Outcome> {
  try {
    return { clusterId, addons, ...(await service.upgradeGateway(id)), error: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { clusterId, addons, draining: [], error: error.message };
  }
}

/** What is told of one gateway. */
function describe({ addons, draining, error }: Outcome): string {
  const whose = `The gateway of ${addons.join(', ')}`;
  if (error !== null) return `${whose} was not replaced: ${error}`;
  const tunnels = draining.reduce((sum, one) => sum + one.tunnels, 0);
  const last = draining
    .map(({ until }) => until)
    .sort()
    .at(-1);
  if (tunnels === 0 || last === undefined) return `${whose} was replaced; no tunnel is left in an earlier one.`;
  const [open, them] = tunnels === 1 ? ['One tunnel goes on', 'it'] : [`${tunnels} tunnels go on`, 'them'];
  return `${whose} was replaced. ${open} in the process that had ${them} before, and will be asked to connect again at ${last}.`;
}
