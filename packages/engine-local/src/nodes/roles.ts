import type { ClusterRecord, StandbyRole } from '../cluster/record.js';

/** What standbys log in to their primary as. It matches no tenant role, so no tunnel leads to it. */
export const REPLICATION_ROLE = 'borealis_standby';

/** Of one cluster; more than any plan has. */
export const MOST_NODES = 9;

type Nodes = Pick<ClusterRecord, 'primary' | 'standbys'>;

/** What PostgreSQL knows a node as. */
export function nodeName(node: number): string {
  return `node${node}`;
}

/** True where another node is wanted, is there, or has been. */
export function isReplicated({ spec, primary, standbys }: Nodes & Pick<ClusterRecord, 'spec'>): boolean {
  return spec.nodes > 1 || primary !== 1 || standbys.length > 0;
}

/** The role of a standby; null when the node is none. */
export function roleOf({ standbys }: Nodes, node: number): StandbyRole | null {
  return standbys.find((standby) => standby.node === node)?.role ?? null;
}

/** The standbys whose role is one of these. */
export function nodesWith({ standbys }: Nodes, ...roles: StandbyRole[]): number[] {
  return standbys.filter(({ role }) => roles.includes(role)).map(({ node }) => node);
}

/** The standbys that every commit waits for. */
export function requiredNodes(record: Nodes): number[] {
  return nodesWith(record, 'required', 'eligible');
}

/** The list with another role for one of them. */
export function withRole({ standbys }: Nodes, node: number, role: StandbyRole): Pick<ClusterRecord, 'standbys'> {
  return { standbys: standbys.map((standby) => (standby.node === node ? { node, role } : standby)) };
}

/** The list as the plan wants it: new ones begin without data; null when it is that already. */
export function plannedStandbys({
  spec,
  primary,
  standbys,
}: Nodes & Pick<ClusterRecord, 'spec'>): Nodes['standbys'] | null {
  const wanted = spec.nodes - 1;
  if (standbys.length === wanted) return null;
  // Those that are worth least go first.
  const worth: StandbyRole[] = ['eligible', 'required', 'following', 'stale'];
  if (standbys.length > wanted)
    return standbys.toSorted((a, b) => worth.indexOf(a.role) - worth.indexOf(b.role)).slice(0, wanted);
  const taken = new Set([primary, ...standbys.map(({ node }) => node)]);
  let node = 1;
  while (taken.has(node)) node++;
  return [...standbys, { node, role: 'stale' }];
}
