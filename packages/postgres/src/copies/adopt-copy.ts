import pg from 'pg';
import { makeVerifier, verifies } from '../access/scram-verifier.js';
import { inTransaction, runPlanned } from '../access/sql.js';
import { type ConnectTo, readersGroupOf } from '../access/wanted.js';

const { escapeIdentifier, escapeLiteral } = pg;

interface Rename {
  from: string;
  to: string;
}

/** What makes a copy a server of its own. */
export interface Adoption {
  superuser: { name: string; password: string };
  databases: readonly Rename[];
  roles: readonly Rename[];
}

/**
 * Gives a copied server the superuser's password and the names it is to have, and takes every other role's password and right to log
 * in. All of it happens at once or not at all, and once: a repeated call changes nothing. Only to be called while nobody else is let in.
 */
export async function adoptCopy(connectTo: ConnectTo, { superuser, databases, roles }: Adoption): Promise<void> {
  const client = await connectTo('postgres');
  try {
    await inTransaction(client, async () => {
      if (await isAdopted(client, superuser)) return;
      const groups = databases.map(({ from, to }) => ({ from: readersGroupOf(from), to: readersGroupOf(to) }));
      await rename(client, 'database', databases);
      await rename(client, 'role', [...roles, ...(await existing(client, groups))]);
      await runPlanned(client, CLOSE_OTHERS, []);
      const verifier = escapeLiteral(await makeVerifier(superuser.password));
      await client.query(`alter role ${escapeIdentifier(superuser.name)} password ${verifier}`);
    });
  } finally {
    await client.end();
  }
}

async function isAdopted(client: pg.Client, { name, password }: Adoption['superuser']): Promise<boolean> {
  const { rows } = await client.query<{ verifier: string | null }>(
    'select rolpassword as verifier from pg_authid where rolname = $1',
    [name],
  );
  return verifies(rows[0]?.verifier ?? null, password);
}

/** By way of names that nobody has, so that two may change places. */
async function rename(client: pg.Client, kind: 'database' | 'role', renames: readonly Rename[]): Promise<void> {
  const between = (index: number) => escapeIdentifier(`borealis renames ${index}`);
  for (const [index, { from }] of renames.entries())
    await client.query(`alter ${kind} ${escapeIdentifier(from)} rename to ${between(index)}`);
  for (const [index, { to }] of renames.entries())
    await client.query(`alter ${kind} ${between(index)} rename to ${escapeIdentifier(to)}`);
}

/** A database that never had an access document has no group yet. */
async function existing(client: pg.Client, renames: readonly Rename[]): Promise<Rename[]> {
  const { rows } = await client.query<{ name: string }>('select rolname as name from pg_roles');
  return renames.filter(({ from }) => rows.some(({ name }) => name === from));
}

const CLOSE_OTHERS = `
  select format('alter role %I nologin password null', rolname) as statement from pg_authid
  where rolname <> current_user and rolname !~ '^pg_' and (rolcanlogin or rolpassword is not null)`;
