import type { GatewayLimits } from '@borealis/contract';

/**
 * What one database of a shared cluster may take of its gateway, whose own limits are for all of them together. Sessions are as many as
 * its server gives a tenant; tunnels more, since a dyno has one also while it asks nothing; channels more still, since one is held before
 * its login and by each cancel request, too. With the smaller window some 30 MB are the most that a tenant's channels can take.
 */
export const TENANT_SHARE = {
  sessionsPerDatabase: 20,
  tunnelsPerDatabase: 40,
  channelsPerDatabase: 60,
  windowBytes: 256 * 1024,
} satisfies Partial<GatewayLimits>;
