import { z } from 'zod';
import { principalKind } from './gateway-config.js';

/**
 * The gateway's control socket (`<pid>.sock` in its directory, mode 0600): one JSON object a line each way, answered in
 * order. `control.sock` is a link to that of the gateway that accepts connections: those that it has replaced and that still
 * have some are reached by their pid alone. And its spool (`events/<start ms>-<pid>-<n>.jsonl` there): one JSON object a line, appended before anything else sees
 * the event, so that a killed keeper or gateway loses none. The keeper deletes a segment it has consumed once a newer one exists.
 */

/** Keys and passwords, by what identifies them without telling them. */
export const credentialNames = z.object({
  /** SHA-256 fingerprints of SSH keys, as OpenSSH prints them: `SHA256:…`. */
  fingerprints: z.array(z.string()),
  /** SHA-256 of verifiers' texts, in hexadecimal. */
  verifierDigests: z.array(z.string()),
});
export type CredentialNames = z.infer<typeof credentialNames>;

export const gatewayCommand = z.discriminatedUnion('op', [
  z.object({ op: z.literal('status') }),
  /**
   * Read the file again and run by it; the answer names the revision now in force, or the error that kept the old one. Sessions
   * on a server that is no longer the one to be on end with 57P01.
   */
  z.object({ op: z.literal('reload') }),
  /**
   * Ask the servers for the state of idle sessions that is not known, a few at a time, while everybody goes on; answered when it is done,
   * after `ASK_SECONDS` at most. A `hold` that follows has so much less to ask while all wait.
   */
  z.object({ op: z.literal('ask') }),
  /**
   * Bring every session to rest, take its state along and leave the servers, which may be stopped once this is answered. `late`
   * says what happens when that is not possible within `seconds`: `abort` lets all go on and answers with the error, `close`
   * ends those that are late or cannot be moved with 57P01. New logins wait. Without a `resume`, all goes on by itself after
   * `HOLD_SECONDS`. Refused while another gateway takes over from this one, and while sessions are held already; one that drains
   * holds its own sessions like any other.
   */
  z.object({ op: z.literal('hold'), seconds: z.number().min(0).max(60), late: z.enum(['abort', 'close']) }),
  /**
   * As `reload`, and the sessions that were held go on, on the servers that the file names now. Where these have other `catalogs`
   * than those that were left, it is a logical move, and only sessions that bear one are kept.
   */
  z.object({ op: z.literal('resume') }),
  /** End at once: tunnels of these users, sessions of these roles, and whatever these credentials opened. */
  z.object({
    op: z.literal('close'),
    tunnelUsers: z.array(z.string()),
    roles: z.array(z.string()),
    credentials: credentialNames.default({ fingerprints: [], verifierDigests: [] }),
  }),
  /**
   * Start this program on the listening socket and, once it accepts connections, accept no more: what is open goes on until the
   * last has gone, `drainSeconds` at most. The answer names the new process; a refusal changes nothing. Refused from the beginning of
   * a hold until all sessions go on.
   */
  z.object({
    op: z.literal('hand-over'),
    node: z.string(),
    script: z.string(),
    drainSeconds: z
      .number()
      .positive()
      .max(7 * 86_400),
  }),
  /** Stop listening, end every tunnel cleanly, exit 0. */
  z.object({ op: z.literal('stop') }),
]);
export type GatewayCommand = z.infer<typeof gatewayCommand>;
/** What may be left out when it is sent. */
export type GatewayCommandInput = z.input<typeof gatewayCommand>;

/** How long an `ask` takes at most, in seconds. */
export const ASK_SECONDS = 5;

/** How long sessions stay held without a `resume`, in seconds from the answer to `hold`. */
export const HOLD_SECONDS = 30;

/** Sessions that were ended because they could not be moved, by the kind of reason. `docs/reference/sessions.md` has the kinds. */
const closedByKind = z.record(z.string(), z.number());

/** Answer to `hold`: how many sessions are held. */
export const gatewayHeld = z.object({ ok: z.literal(true), held: z.number(), closed: closedByKind });
export type GatewayHeld = z.infer<typeof gatewayHeld>;

/** Answer to `resume` and to `reload`: how many sessions were moved to a server opened anew, and which were not. */
export const gatewayMoved = z.object({
  ok: z.literal(true),
  revision: z.number(),
  kept: z.number(),
  closed: closedByKind,
});
export type GatewayMoved = z.infer<typeof gatewayMoved>;

export const gatewayAnswer = z.looseObject({ ok: z.boolean(), error: z.string().optional() });

/** Answer to `hand-over`. */
export const handedOver = z.object({ ok: z.literal(true), pid: z.number().int() });

/** While a gateway only serves what was open when another took over; ISO times. Cleanly disconnected at `until`. */
export const draining = z.object({ since: z.iso.datetime(), until: z.iso.datetime() });

export const gatewayStatus = z.object({
  ok: z.literal(true),
  clusterId: z.string(),
  pid: z.number(),
  startedAt: z.string(),
  /** What runs: Node's version and the script as it was named at the start. */
  program: z.object({ node: z.string(), script: z.string() }),
  /** Null: it accepts connections. */
  draining: draining.nullable(),
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
      /** Of the key that opened it, also when the user has lost that key since. */
      fingerprint: z.string(),
    }),
  ),
  sessions: z.number(),
  /**
   * Sessions, and logins past the password, by role and the verifier that the password met: the SHA-256 (in hexadecimal) of its
   * text as the configuration had it then, also when it has another one since.
   */
  sessionsByVerifier: z.array(z.object({ role: z.string(), verifierDigest: z.string(), count: z.number() })),
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
