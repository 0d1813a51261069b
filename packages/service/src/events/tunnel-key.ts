import type { EngineEvent } from '@borealis/engine';

export type TunnelEvent = Extract<EngineEvent, { tunnelId: string }>;

/** Under which the opening or the end of a tunnel is written down once. */
export function tunnelKey({ clusterId, type, tunnelId }: Pick<TunnelEvent, 'clusterId' | 'type' | 'tunnelId'>): string {
  return `${clusterId}/${type}/${tunnelId}`;
}
