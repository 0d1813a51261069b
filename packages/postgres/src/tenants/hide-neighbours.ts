import type pg from 'pg';
import { runPlanned } from '../access/sql.js';

/**
 * Takes from everybody in this database what tells of other databases and their sessions, as far as dumps and `\d` do without it.
 * Names of databases and roles stay visible: both need them. Repeated calls change nothing.
 */
export async function hideNeighbours(client: pg.Client): Promise<void> {
  await runPlanned(client, CLOSE_VIEWS, [VIEWS]);
  await runPlanned(client, CLOSE_FUNCTIONS, [FUNCTIONS]);
  for (const statement of HIDE_FROM_DUMPS) await client.query(statement, [VIEWS, FUNCTIONS]);
}

const VIEWS = [
  ...['pg_stat_activity', 'pg_stat_database', 'pg_stat_database_conflicts', 'pg_stat_ssl', 'pg_stat_gssapi'],
  ...['pg_stat_replication', 'pg_stat_subscription', 'pg_locks', 'pg_prepared_xacts', 'pg_db_role_setting'],
  ...['pg_shdescription', 'pg_shdepend', 'pg_shseclabel'],
];

// The views' own sources: they can be called directly.
const FUNCTIONS = [
  '^pg_stat_get_(db|backend|xact_db)_',
  '^pg_stat_get_(activity|progress_info|wal_senders|subscription)$',
  '^pg_(lock_status|prepared_xact|tablespace_size|notification_queue_usage)$',
  '^pg_(safe_snapshot_)?blocking_pids$',
].join('|');

const OWN = `pronamespace = 'pg_catalog'::regnamespace and proname ~ `;

const CLOSE_VIEWS = `
  select format('revoke all on pg_catalog.%I from public', relname) as statement
  from pg_class
  where relnamespace = 'pg_catalog'::regnamespace and relname = any ($1)
    and exists (select from aclexplode(relacl) where grantee = 0)`;

const CLOSE_FUNCTIONS = `
  select format('revoke all on function %s from public', oid::regprocedure) as statement
  from pg_proc
  where ${OWN} $1 and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)`;

// pg_dump writes out how rights on system objects differ from these initial ones; a tenant's dump could not be restored elsewhere.
const CHANGED = `
  with changed as (
    select oid, 'pg_class'::regclass as class, relacl as acl from pg_class
    where relnamespace = 'pg_catalog'::regnamespace and relname = any ($1)
    union all
    select oid, 'pg_proc'::regclass, proacl from pg_proc where ${OWN} $2)`;
const HIDE_FROM_DUMPS = [
  `${CHANGED} update pg_init_privs i set initprivs = acl from changed c
   where i.objoid = c.oid and i.classoid = c.class and i.objsubid = 0 and i.initprivs <> acl`,
  `${CHANGED} insert into pg_init_privs (objoid, classoid, objsubid, privtype, initprivs)
   select c.oid, c.class, 0, 'i', acl from changed c
   where acl is not null and not exists (
     select from pg_init_privs i where i.objoid = c.oid and i.classoid = c.class and i.objsubid = 0)`,
];
