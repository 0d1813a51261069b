import type pg from 'pg';
import { TENANT_ROLE_PATTERN } from '../server/spec.js';
import type { TenantBounds } from '../tenants/bounds.js';

/** Opens a superuser connection to a database, such as `(database) => connect(spec, database)`. */
export type ConnectTo = (database: string) => Promise<pg.Client>;

export interface WantedDatabase {
  name: string;
  /** The read/write role that owns its public schema and inherits what dropped roles owned; one of `roles`. */
  owner: string;
  /** True: its roles can read and no more, whatever SQL they send. Without it all they had before comes back. */
  restricted?: boolean | undefined;
}

/** A role's kind follows from its name: `…_ro_…` can only read. */
export interface WantedRole {
  name: string;
  database: string;
}

/** The whole of what tenants may have in a server. */
export interface WantedAccess {
  databases: readonly WantedDatabase[];
  roles: readonly WantedRole[];
  /** The password that every role shares under scram; null under peer, where roles have none. */
  backendPassword: string | null;
  /** What each database may take where several tenants share the server; left out where one has it alone. */
  shared?: TenantBounds;
}

/** A database with its roles sorted by what they may do. */
export interface DatabaseAccess {
  name: string;
  owner: string;
  /** A role that cannot log in; what may be read is granted to it. */
  readersGroup: string;
  writers: string[];
  readers: string[];
  restricted: boolean;
  /** Null: the server is this tenant's alone. */
  shared: TenantBounds | null;
}

const TENANT_ROLE = new RegExp(TENANT_ROLE_PATTERN);
const DATABASE = /^[a-z][a-z0-9_]{0,53}$/;
const SERVICE_DATABASES = ['postgres', 'template0', 'template1'];

export const isReader = (role: string) => /^[a-z]+_ro_/.test(role);
/** True for a role that can only read. */
export const isReaderRole = isReader;
const isWriter = (role: string) => !isReader(role);

/** The wanted databases, checked; throws one plain sentence on a name that is not a tenant's. */
export function readWanted(wanted: WantedAccess): DatabaseAccess[] {
  const databases = wanted.databases.map((database) => readDatabase(database, wanted));
  const lost = wanted.roles.find((role) => !databases.some(({ name }) => name === role.database));
  if (lost) throw new Error(`The role "${lost.name}" is of the database "${lost.database}", which is not listed.`);
  return databases;
}

/** True for a name that a tenant's database may have. */
export function isTenantDatabase(name: string): boolean {
  return DATABASE.test(name) && !SERVICE_DATABASES.includes(name);
}

/** True for a name that a tenant's role may have. */
export function isTenantRole(name: string): boolean {
  return TENANT_ROLE.test(name) && !name.includes('\n') && name.length <= 63;
}

/** The role that holds what a database's readers may read. */
export const readersGroupOf = (database: string) => `readers_${database}`;

function readDatabase({ name, owner, restricted }: WantedDatabase, { roles, shared }: WantedAccess): DatabaseAccess {
  if (!isTenantDatabase(name)) {
    throw new Error(
      `"${name}" cannot be a tenant's database: use up to 54 lower-case letters, digits and underscores.`,
    );
  }
  const names = roles.filter((role) => role.database === name).map((role) => role.name);
  const wrong = names.find((role) => !isTenantRole(role));
  if (wrong !== undefined) throw new Error(`"${wrong}" cannot be the name of a tenant's role.`);
  if (!names.includes(owner) || !isWriter(owner)) {
    throw new Error(`The owner of the database "${name}" must be one of its read/write roles.`);
  }
  return {
    name,
    owner,
    readersGroup: readersGroupOf(name),
    writers: names.filter(isWriter),
    readers: names.filter(isReader),
    restricted: restricted ?? false,
    shared: shared ?? null,
  };
}
