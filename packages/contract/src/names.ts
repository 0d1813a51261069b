import { randomInt } from 'node:crypto';

/** The service's slug at Heroku, and so the prefix of its commands and config vars. */
export const SERVICE_SLUG = 'borealis-pg';

/** The host name in every `DATABASE_URL`. It resolves to 127.0.0.1: the client's end of its own tunnel. */
export const TUNNEL_HOST = 'pg-tunnel.borealis-data.com';

/** Local ports that stand in URLs come from this range, unique per add-on over the service. */
export const LOCAL_PORTS = { first: 20_000, last: 32_767 } as const;

/** PostgreSQL majors that are offered, oldest first, and the one given when none is asked for. */
export const POSTGRES_MAJORS = ['13', '14', '15', '16', '17', '18'] as const;
export type PostgresMajor = (typeof POSTGRES_MAJORS)[number];
export const DEFAULT_POSTGRES_MAJOR: PostgresMajor = '16';

/** Every role that a tenant may log in as matches this; nothing of the service itself ever does. */
export const TENANT_ROLE = /^(app|p|di)_(rw|ro)_[a-z0-9_]{1,50}$/;

/** A cluster's id: also the name of its directory and of its operating-system users, hence short and plain. */
export const CLUSTER_ID = /^[a-z][a-z0-9]{3,15}$/;

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** `length` unpredictable characters of [a-z0-9]: safe unescaped in URLs, SQL identifiers and file names. */
export function randomName(length: number): string {
  let name = '';
  while (name.length < length) name += ALPHABET[randomInt(ALPHABET.length)];
  return name;
}

const PASSWORD_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A password of 190 bits in 32 printable ASCII characters that need no escaping in a URL. */
export function randomPassword(): string {
  let password = '';
  while (password.length < 32) password += PASSWORD_ALPHABET[randomInt(PASSWORD_ALPHABET.length)];
  return password;
}

/** The names by which a cluster's nodes are asked for through its tunnel. They exist nowhere outside it. */
export function clusterHosts(clusterId: string): { primary: string; replica: string; port: number } {
  return {
    primary: `primary.${clusterId}.borealis.internal`,
    replica: `replica.${clusterId}.borealis.internal`,
    port: 5432,
  };
}
