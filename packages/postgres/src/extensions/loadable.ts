import pg from 'pg';
import type { ConnectTo } from '../access/wanted.js';

const { escapeLiteral } = pg;

/** By the directory that a server's extensions come from: what is there never changes, since releases never do. */
const known = new Map<string, Promise<ReadonlySet<string>>>();

/** Those of the named extensions whose library this machine can load: some need libraries of the system that it may not have. */
export async function loadableExtensions(connectTo: ConnectTo, names: readonly string[]): Promise<ReadonlySet<string>> {
  const client = await connectTo('postgres');
  try {
    const directory = await shareDirectory(client);
    const found = known.get(directory) ?? probe(connectTo, await librariesOf(client, directory, names));
    known.set(directory, found);
    found.catch(() => known.delete(directory));
    return await found;
  } finally {
    await client.end();
  }
}

async function shareDirectory(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ setting: string }>(`select setting from pg_config where name = 'SHAREDIR'`);
  return rows[0]!.setting;
}

interface Library {
  name: string;
  /** Null: it is SQL only, or names its library elsewhere. */
  path: string | null;
}

async function librariesOf(client: pg.Client, directory: string, names: readonly string[]): Promise<Library[]> {
  const { rows } = await client.query<Library>(
    `select name, substring(pg_read_file($1 || '/extension/' || name || '.control', 0, 100000, true)
       from $$(?n)^\\s*module_pathname\\s*=\\s*'([^']+)'$$) as path
     from unnest($2::text[]) as name`,
    [directory, names],
  );
  return rows;
}

/** Loads them in sessions that are thrown away: a library stays loaded, and one that needs another place may end the session. */
async function probe(connectTo: ConnectTo, libraries: readonly Library[]): Promise<ReadonlySet<string>> {
  const loadable = new Set<string>();
  let client: pg.Client | null = null;
  try {
    for (const { name, path } of libraries) {
      client ??= await connectTo('postgres');
      if (await loads(client, path)) loadable.add(name);
      else {
        await client.end();
        client = null;
      }
    }
  } finally {
    await client?.end();
  }
  return loadable;
}

async function loads(client: pg.Client, path: string | null): Promise<boolean> {
  if (path === null) return true;
  try {
    await client.query(`load ${escapeLiteral(path)}`);
    return true;
  } catch {
    return false;
  }
}
