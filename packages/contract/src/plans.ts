/** What a plan gives. Storage and memory are in GiB, price in US cents a month. */
export interface Plan {
  /** The slug without the service: `x1-s10-p1-r1`. */
  name: string;
  humanName: string;
  tenancy: 'isolated' | 'shared';
  nodes: number;
  storageGiB: number;
  vcpu: number;
  memoryGiB: number;
  priceCents: number;
}

function isolated(nodes: number, storageGiB: number, vcpu: number, memoryGiB: number, priceCents: number): Plan {
  return {
    name: `x${nodes}-s${storageGiB}-p${vcpu}-r${memoryGiB}`,
    humanName: `${nodes} node${nodes > 1 ? 's' : ''}, ${storageGiB} GB storage, ${vcpu} vCPU, ${memoryGiB} GB RAM`,
    tenancy: 'isolated',
    nodes,
    storageGiB,
    vcpu,
    memoryGiB,
    priceCents,
  };
}

/** The plan given when none is named. */
export const DEFAULT_PLAN = 'dev';

/** The smallest plan whose database has a cluster, a gateway and a host key of its own. */
export const SMALLEST_ISOLATED_PLAN = 'x1-s10-p1-r1';

/** Every plan there is, in the order of their prices. */
export const PLANS: readonly Plan[] = [
  {
    name: 'dev',
    humanName: 'Shared development database',
    tenancy: 'shared',
    nodes: 1,
    storageGiB: 1,
    vcpu: 0,
    memoryGiB: 0,
    priceCents: 0,
  },
  isolated(1, 10, 1, 1, 2_500),
  isolated(2, 10, 1, 1, 5_000),
  isolated(1, 100, 2, 4, 9_900),
  isolated(1, 100, 2, 8, 14_900),
  isolated(2, 100, 2, 8, 29_800),
  isolated(1, 500, 4, 16, 39_900),
  isolated(2, 500, 4, 16, 79_800),
  isolated(3, 500, 4, 16, 119_700),
];

/** The plan of that slug, with or without the service's name before it; null when there is none. */
export function findPlan(name: string): Plan | null {
  const slug = name.replace(/^borealis-pg:/, '');
  return PLANS.find((plan) => plan.name === slug) ?? null;
}
