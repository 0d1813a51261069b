import pg from 'pg';
import { makeVerifier, verifies } from './scram-verifier.js';
import { runPlanned } from './sql.js';
import { type DatabaseAccess, isReader } from './wanted.js';

const { escapeIdentifier, escapeLiteral } = pg;

/** Makes a database's roles and their memberships exactly what they should be. */
export async function ensureRoles(client: pg.Client, database: DatabaseAccess, password: string | null): Promise<void> {
  const { readersGroup, writers, readers, shared } = database;
  await ensureRole(client, readersGroup, { login: false, password: null, connections: -1 });
  for (const role of [...writers, ...readers]) {
    const connections = (isApp(role) ? undefined : shared?.connectionsOfPerson) ?? -1;
    await ensureRole(client, role, { login: true, password, connections });
    await ensureSetting(client, role, 'log_min_messages', 'fatal');
    // Large objects have no default rights: so all of a database's roles read them, and its writers write them, whoever made them.
    await ensureSetting(client, role, 'lo_compat_privileges', 'on');
    // A courtesy to people; what a reader cannot do is decided by grants alone.
    if (isReader(role)) await ensureSetting(client, role, 'default_transaction_read_only', 'on');
  }
  await ensureMemberships(client, database);
}

const isApp = (role: string) => role.startsWith('app_');

interface RoleRow {
  ours: boolean;
  rolconnlimit: number;
  rolcanlogin: boolean;
  rolpassword: string | null;
}

const READ_ROLE = `
  select rolcanlogin, rolpassword, rolconnlimit,
    not (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
      and rolinherit and coalesce(rolvaliduntil = 'infinity', true) as ours
  from pg_authid where rolname = $1`;

async function ensureRole(
  client: pg.Client,
  name: string,
  wanted: { login: boolean; password: string | null; connections: number },
): Promise<void> {
  const role = escapeIdentifier(name);
  const found = (await client.query<RoleRow>(READ_ROLE, [name])).rows[0];
  if (!found) await client.query(`create role ${role}`);
  if (!found?.ours || found.rolcanlogin !== wanted.login || found.rolconnlimit !== wanted.connections) {
    await client.query(
      `alter role ${role} ${wanted.login ? 'login' : 'nologin'} inherit nosuperuser nocreatedb nocreaterole noreplication
       nobypassrls connection limit ${wanted.connections} valid until 'infinity'`,
    );
  }
  await ensurePassword(client, name, found?.rolpassword ?? null, wanted.password);
}

async function ensurePassword(client: pg.Client, name: string, stored: string | null, wanted: string | null) {
  if (wanted === null ? stored === null : await verifies(stored, wanted)) return;
  const value = wanted === null ? 'null' : escapeLiteral(await makeVerifier(wanted));
  await client.query(`alter role ${escapeIdentifier(name)} password ${value}`);
}

// Tenants cannot change `log_min_messages`, so the server's log cannot be flooded with their errors and RAISE LOG.
async function ensureSetting(client: pg.Client, role: string, name: string, value: string): Promise<void> {
  await runPlanned(
    client,
    `select format('alter role %I set %I = %L', rolname, $2::text, $3::text) as statement
     from pg_roles where rolname = $1 and not exists (
       select from pg_db_role_setting where setrole = pg_roles.oid and setdatabase = 0
         and ($2::text || '=' || $3::text) = any (setconfig))`,
    [role, name, value],
  );
}

/** Readers are in the readers' group, writers in the owner's role, and in no other. */
async function ensureMemberships(client: pg.Client, database: DatabaseAccess): Promise<void> {
  const { owner, readersGroup, readers } = database;
  const others = database.writers.filter((role) => role !== owner);
  const members = [readersGroup, owner, ...readers, ...others];
  const groups = [null, null, ...readers.map(() => readersGroup), ...others.map(() => owner)];
  await runPlanned(client, await unwantedMemberships(client), [members, groups]);
  await runPlanned(client, MISSING_MEMBERSHIPS, [members, groups]);
}

const WANTED = 'with wanted (member, granted) as (select * from unnest($1::text[], $2::text[]))';

// Before major 16 a role could add members to itself and let them pass it on; since then a grant has a grantor of its own.
async function unwantedMemberships(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ major: number }>(
    `select current_setting('server_version_num')::int / 10000 as major`,
  );
  const grantedBy = rows[0]!.major >= 16 ? `format(' granted by %I', pg_get_userbyid(m.grantor))` : `''`;
  return `${WANTED}
    select format('revoke %I from %I', g.rolname, r.rolname) || ${grantedBy} || ' cascade' as statement
    from pg_auth_members m join pg_roles r on r.oid = m.member join pg_roles g on g.oid = m.roleid
      join wanted w on w.member = r.rolname
    where m.admin_option or g.rolname is distinct from w.granted`;
}

const MISSING_MEMBERSHIPS = `${WANTED}
  select format('grant %I to %I', granted, member) as statement from wanted
  where granted is not null and not exists (
    select from pg_auth_members m where m.member = wanted.member::regrole and m.roleid = wanted.granted::regrole)`;
