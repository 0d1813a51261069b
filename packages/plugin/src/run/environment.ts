import type { DatabaseAccess } from '../addon-api/personal-users.js';

export interface Endpoint {
  database: DatabaseAccess;
  /** The tunnel's local port, on 127.0.0.1. */
  port: number;
  /** The authority's file to verify the server with; undefined when it is not known. */
  caFile: string | undefined;
}

type Environment = Record<string, string | undefined>;

/** What the caller's environment may say about other databases; libpq would mix it with ours. */
const ELSEWHERE =
  /^(PG(HOST|HOSTADDR|PORT|DATABASE|USER|PASSWORD|PASSFILE|SERVICE|SERVICEFILE|REQUIRE.*|SSL.*|GSS.*|KRB.*|CHANNELBINDING|TARGETSESSIONATTRS|LOADBALANCEHOSTS)|DATABASE_URL)$/;

/**
 * For psql: it is told the database's own name, so that its certificate is checked for exactly this cluster, and
 * the address where the tunnel starts.
 */
export function psqlEnvironment(endpoint: Endpoint, inherited: Environment = process.env): Environment {
  const host = endpoint.caFile === undefined ? '127.0.0.1' : endpoint.database.host;
  return { ...without(inherited), ...connection(endpoint, host), PGHOSTADDR: '127.0.0.1' };
}

/**
 * For any command: `localhost`, a name of the certificate that every client can resolve. No `PGHOSTADDR`, it would
 * lead a `pg_dump` of some other server in the same command to ours.
 */
export function commandEnvironment(endpoint: Endpoint, inherited: Environment = process.env): Environment {
  return {
    ...without(inherited),
    ...connection(endpoint, 'localhost'),
    DATABASE_URL: databaseUrl(endpoint, 'localhost'),
  };
}

/** The URL of the tunnel's local end, without what only some clients understand. */
export function plainUrl({ database, port }: Omit<Endpoint, 'caFile'>, host: string): string {
  const user = `${encodeURIComponent(database.username)}:${encodeURIComponent(database.password.reveal())}`;
  return `postgres://${user}@${host}:${port}/${encodeURIComponent(database.name)}`;
}

function databaseUrl(endpoint: Endpoint, host: string): string {
  const { caFile } = endpoint;
  const query =
    caFile === undefined ? 'sslmode=require' : `sslmode=verify-full&sslrootcert=${encodeURIComponent(caFile)}`;
  return `${plainUrl(endpoint, host)}?${query}`;
}

function connection({ database, port, caFile }: Endpoint, host: string): Environment {
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database.name,
    PGUSER: database.username,
    PGPASSWORD: database.password.reveal(),
    ...(caFile === undefined ? { PGSSLMODE: 'require' } : { PGSSLMODE: 'verify-full', PGSSLROOTCERT: caFile }),
  };
}

function without(inherited: Environment): Environment {
  return Object.fromEntries(Object.entries(inherited).filter(([name]) => !ELSEWHERE.test(name)));
}
