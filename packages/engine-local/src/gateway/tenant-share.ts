import type { GatewayLimits } from '@borealis/contract';

/**
 * What one database of a shared cluster may take of its gateway, whose own limits are for all of them together. A channel is held
 * before its login and by cancel requests, too, and may hold a window of data each way, so there is room for twice the sessions, and a
 * smaller window: some 30 MB of memory are the most that one tenant's channels can take.
 */
export const TENANT_SHARE = {
  sessionsPerDatabase: 60,
  tunnelsPerDatabase: 60,
  channelsPerDatabase: 120,
  windowBytes: 256 * 1024,
} satisfies Partial<GatewayLimits>;
