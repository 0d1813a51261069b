import { z } from 'zod';
import { TENANT_ROLE } from './names.js';

/**
 * The file a gateway process runs by. The keeper writes it atomically (mode 0600, owned by the gateway's user) and
 * asks for a reload over the control socket; the gateway reads it at start and never writes it.
 */

/** Who a tunnel belongs to; the event types of the app's log follow from it. */
export const principalKind = z.enum(['app', 'personal', 'integration']);
export type PrincipalKind = z.infer<typeof principalKind>;

/** An SSH user. Its keys open a tunnel; through it only `roles` can log in, and only to `database`. */
export const tunnelUser = z.object({
  username: z.string().regex(/^[a-z][a-z0-9_-]{2,62}$/),
  kind: principalKind,
  /** Names the person or integration in events: an e-mail address, an integration's name, or the app's add-on. */
  label: z.string(),
  /** OpenSSH one-line public keys; each is accepted. */
  publicKeys: z.array(z.string()),
  database: z.string(),
  roles: z.array(z.string()),
  /** ISO time after which no new tunnel is opened; null = for ever. */
  validUntil: z.iso.datetime().nullable(),
});
export type TunnelUser = z.infer<typeof tunnelUser>;

/** A PostgreSQL role that clients log in as. The gateway checks its passwords; PostgreSQL never sees one. */
export const gatewayRole = z.object({
  name: z.string().regex(TENANT_ROLE),
  database: z.string(),
  /** One or two verifiers in PostgreSQL's text form, with the same salt and iterations. */
  verifiers: z.array(z.string()).max(2),
  validUntil: z.iso.datetime().nullable(),
});
export type GatewayRole = z.infer<typeof gatewayRole>;

/** Where one PostgreSQL server of the cluster is reached: a Unix socket directory and the port in the file's name. */
export const backend = z.object({ socketDirectory: z.string(), port: z.number().int() });
export type Backend = z.infer<typeof backend>;

/** Limits against abuse. Times in seconds, sizes in bytes. Defaults are those that `docs/security.md` gives. */
export const gatewayLimits = z.object({
  loginGraceSeconds: z.number().default(20),
  postgresLoginSeconds: z.number().default(15),
  unauthenticatedConnections: z.number().default(100),
  unauthenticatedPerAddress: z.number().default(10),
  connections: z.number().default(1000),
  /** Open tunnels of one user: an app has one for each of its dynos. */
  tunnelsPerUser: z.number().default(250),
  /** Open tunnels, and channels in all of them, of one database's users: its share where several tenants have one gateway. */
  tunnelsPerDatabase: z.number().default(1000),
  channelsPerDatabase: z.number().default(2000),
  authenticationRequests: z.number().default(30),
  badSignatures: z.number().default(6),
  channelsPerConnection: z.number().default(64),
  windowBytes: z.number().default(1024 * 1024),
  banAfterFailures: z.number().default(10),
  banSeconds: z.number().default(300),
  /** Addresses (CIDR) that are slowed instead of banned; loopback always is. */
  neverBan: z.array(z.string()).default([]),
  keepaliveSeconds: z.number().default(15),
  keepaliveMisses: z.number().default(3),
  sqlLoginFailures: z.number().default(10),
  sqlLoginPauseSeconds: z.number().default(60),
  sessions: z.number().default(500),
  /** Sessions of one database: its share where several tenants have one gateway. */
  sessionsPerDatabase: z.number().default(500),
});
export type GatewayLimits = z.infer<typeof gatewayLimits>;

export const gatewayConfig = z.object({
  clusterId: z.string(),
  /** Grows with every change; the gateway reports the one it runs by. */
  revision: z.number().int(),
  tenancy: z.enum(['isolated', 'shared']),
  /** `fd`: a listening socket inherited from the keeper (3 by convention); host and port: for tests. */
  listen: z.union([z.object({ fd: z.number().int() }), z.object({ host: z.string(), port: z.number().int() })]),
  /** The only destinations a tunnel may ask for. */
  hosts: z.object({ primary: z.string(), replica: z.string(), port: z.number().int() }),
  /** Generation of the primary: sessions of an older one are never forwarded another byte. */
  generation: z.number().int(),
  /**
   * Names the catalogs of the servers; another name than before means that everything in them has another OID, as after a major
   * upgrade by logical replication. Sessions that go from the one to the other, after a hold or in any other way, are kept only where
   * it is proven that their clients know no OIDs but PostgreSQL's own; the others end with 57P01 and are counted as `types`.
   */
  catalogs: z.string().default(''),
  primary: backend,
  /** Null: reads go to the primary. */
  replica: backend.nullable(),
  /** Peer: the kernel vouches for the gateway's own OS user. Scram: one OS user for all, tenant roles share this password. */
  backendAuth: z.discriminatedUnion('method', [
    z.object({ method: z.literal('peer') }),
    z.object({ method: z.literal('scram'), password: z.string() }),
  ]),
  /** OpenSSH private keys, the preferred first: ed25519, then ecdsa-256. */
  sshHostKeys: z.array(z.string()).min(1),
  tls: z.object({ certificate: z.string(), privateKey: z.string() }),
  /** Base64; makes the salts shown for unknown roles steady over restarts. */
  mockSecret: z.string(),
  tunnelUsers: z.array(tunnelUser),
  roles: z.array(gatewayRole),
  limits: gatewayLimits.default(() => gatewayLimits.parse({})),
});
export type GatewayConfig = z.infer<typeof gatewayConfig>;
/** What may be left out when the file is written. */
export type GatewayConfigInput = z.input<typeof gatewayConfig>;
