import { z } from 'zod';
import { principalKind } from './gateway-config.js';

/**
 * The gateway's control socket (`control.sock` in its directory, mode 0600): one JSON object a line each way, answered in
 * order. And its spool (`events/<start ms>-<pid>-<n>.jsonl` there): one JSON object a line, appended before anything else sees
 * the event, so that a killed keeper or gateway loses none. The keeper deletes a segment it has consumed once a newer one exists.
 */

export const gatewayCommand = z.discriminatedUnion('op', [
  z.object({ op: z.literal('status') }),
  /** Read the file again and run by it; the answer names the revision now in force, or the error that kept the old one. */
  z.object({ op: z.literal('reload') }),
  /** End tunnels of these users and sessions of these roles at once. */
  z.object({ op: z.literal('close'), tunnelUsers: z.array(z.string()), roles: z.array(z.string()) }),
  /** Stop listening, end every tunnel cleanly, exit 0. */
  z.object({ op: z.literal('stop') }),
]);
export type GatewayCommand = z.infer<typeof gatewayCommand>;

export const gatewayAnswer = z.looseObject({ ok: z.boolean(), error: z.string().optional() });

export const gatewayStatus = z.object({
  ok: z.literal(true),
  clusterId: z.string(),
  pid: z.number(),
  startedAt: z.string(),
  revision: z.number(),
  nativeCrypto: z.boolean(),
  tunnels: z.array(
    z.object({
      id: z.string(),
      username: z.string(),
      kind: principalKind,
      label: z.string(),
      address: z.string(),
      since: z.string(),
    }),
  ),
  sessions: z.number(),
  counters: z.record(z.string(), z.number()),
});
export type GatewayStatus = z.infer<typeof gatewayStatus>;

/** What a gateway reports. `seq` counts up within one segment file. */
export const gatewayEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.enum(['tunnel-created', 'tunnel-destroyed']),
    seq: z.number(),
    at: z.string(),
    tunnelId: z.string(),
    username: z.string(),
    kind: principalKind,
    label: z.string(),
    address: z.string(),
    /** Only when destroyed: why. */
    reason: z.string().optional(),
  }),
  z.object({
    type: z.enum(['ban-started', 'ban-ended']),
    seq: z.number(),
    at: z.string(),
    address: z.string(),
    failures: z.number().optional(),
  }),
]);
export type GatewayEvent = z.infer<typeof gatewayEvent>;
