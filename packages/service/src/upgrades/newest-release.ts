import type { ClusterState, ReleaseOffer } from '@borealis/engine';

/** The newest release of its major that a cluster can be upgraded to, by the build that it runs by; null: there is none any more. */
export function newestOf({ version, system }: ReleaseOffer, { build }: Pick<ClusterState, 'build'>): string | null {
  return build === 'system' ? system : version;
}
