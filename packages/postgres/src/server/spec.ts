import type { Release } from '../release/release.js';

/** An operating-system user that PostgreSQL runs as. */
export interface OsUser {
  name: string;
  uid: number;
  gid: number;
}

/** Who may log in as a tenant's role: the gateway's own OS user by peer, whoever knows the password, or nobody. */
export type ServerAccess =
  | {
      method: 'peer';
      gatewayOsUser: string;
      /** Every tenant role; majors before 16 need them by name, so write the configuration anew when they change. */
      roles: readonly string[];
    }
  | { method: 'scram' }
  | { method: 'none' };

export interface Recovery {
  /** PostgreSQL's `restore_command`; a failure is the end of the log. */
  restoreCommand: string;
  /**
   * ISO 8601 with a zone, to the microsecond: exactly the commits up to it are there. One later commit must be in the log. Null: all that
   * the log has.
   */
  until: string | null;
}

/** The server that a standby takes its log from, over that server's Unix socket. */
export interface Following {
  socketDirectory: string;
  port: number;
  /** A role that may feed standbys, and the file in libpq's form that has its password. */
  role: string;
  passwordFile: string;
  /** Lower-case letters and digits: what this standby calls itself, and the name of its slot. */
  name: string;
}

/** One PostgreSQL server: everything needed to make, start and find it. */
export interface ServerSpec {
  release: Release;
  dataDirectory: string;
  /** Exists already; at most 90 bytes long, so that the socket's path fits the kernel's limit. */
  socketDirectory: string;
  /** Only a part of the socket file's name: no TCP port is ever opened. */
  port: number;
  superuser: { name: string; password: string };
  /** Null: this process's own user, which then must not be root. */
  os: OsUser | null;
  /** Gets what PostgreSQL says on standard error. */
  logFile: string;
  settings: Record<string, string>;
  access: ServerAccess;
  /** While it is set nobody is let in but this OS user, without a password and only as the superuser. */
  closedFor?: string;
  /** How a restored base gets its log, and how far it is brought before anybody can connect. */
  recovery?: Recovery;
  /**
   * Memory that one process of the server may have for itself, shared memory and stack apart; whoever asks for more gets an error
   * (53200). Not limited where it is left out, and on systems other than Linux.
   */
  privateMemoryMiB?: number;
  /**
   * A directory of the server's user that every finished file of WAL is copied to, for somebody else to take away. Left out: nothing
   * is archived. A running server begins or ends archiving with its next start.
   */
  walSpool?: string;
  /** The role that standbys of this server log in as. Left out: it feeds none. */
  replicationRole?: string;
  /** Names of standbys: a commit is acknowledged when it is on the disks of all of them. */
  synchronousWith?: readonly string[];
  /** Set for a standby. A server that was promoted takes no notice of it. */
  follows?: Following;
}

// `all` would be everybody in pg_hba.conf, and names with pg_ are PostgreSQL's own.
const SUPERUSER_NAME = /^(?!all$|pg_)[a-z][a-z0-9_]{0,62}$/;

/** Every name that a tenant's role may have, as PostgreSQL and we understand it alike. */
export const TENANT_ROLE_PATTERN = '^(app|p|di)_(rw|ro)_[a-z0-9_]+$';

/** Throws one plain sentence when the spec cannot be run safely. */
export function checkSpec(spec: ServerSpec): void {
  checkOsUser(spec.os);
  const { name } = spec.superuser;
  checkReplication(spec);
  if (!SUPERUSER_NAME.test(name) || new RegExp(TENANT_ROLE_PATTERN).test(name)) {
    throw new Error(`"${name}" cannot be the superuser's name: use lower-case letters, digits and underscores.`);
  }
  const socket = `${spec.socketDirectory}/.s.PGSQL.${spec.port}.lock`;
  if (Buffer.byteLength(socket) > 107) {
    throw new Error(
      `The socket directory "${spec.socketDirectory}" is too long: a socket's path has at most 107 bytes.`,
    );
  }
}

function checkReplication({ replicationRole, synchronousWith = [], follows }: ServerSpec): void {
  const role = replicationRole ?? follows?.role;
  if (role !== undefined && !SUPERUSER_NAME.test(role)) throw new Error(`"${role}" cannot be the name of a role.`);
  const wrong = [...synchronousWith, ...(follows ? [follows.name] : [])].find((name) => !/^[a-z][a-z0-9]*$/.test(name));
  if (wrong !== undefined) throw new Error(`"${wrong}" cannot be the name of a standby.`);
}

function checkOsUser(os: OsUser | null): void {
  const uid = os ? os.uid : process.getuid?.();
  if (uid === 0)
    throw new Error('PostgreSQL refuses to run as root: give the server an operating-system user of its own.');
  if (os && os.uid !== process.getuid?.() && process.getuid?.() !== 0) {
    throw new Error(`Only root can run PostgreSQL as the user "${os.name}".`);
  }
}

/** The user id that the server's processes have. */
export function uidOf(spec: Pick<ServerSpec, 'os'>): number {
  return spec.os?.uid ?? process.getuid!();
}

/** What `spawn` needs to run a program as the server's user, with nothing of our own environment. */
export function asServerUser(os: OsUser | null): { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number } {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  const foreign = os && process.getuid?.() === 0;
  return { cwd: '/', env, ...(foreign ? { uid: os.uid, gid: os.gid } : {}) };
}
