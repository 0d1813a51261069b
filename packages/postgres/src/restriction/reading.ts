import type pg from 'pg';
import { runPlanned } from '../access/sql.js';
import type { DatabaseAccess } from '../access/wanted.js';
import { LOCK_ROLE, objectsWith } from './objects.js';

/** Lets the owner and the readers of a restricted database read all that is locked, also when their roles are new. */
export async function grantReading(client: pg.Client, { name, owner, readersGroup }: DatabaseAccess): Promise<void> {
  await runPlanned(client, READING, [name, LOCK_ROLE, [owner, readersGroup]]);
}

const READING = `${objectsWith()},
  roles as (select unnest($3::text[]) as role)
  select format('grant connect on database %I to %I', $1::text, role) as statement from roles
  where not has_database_privilege(role, $1, 'connect')
  union all
  select format('grant %s on %s to %I', reads, target, role) from objects, roles
  where owner = $2::text::regrole and case
    when kind = 'schema' then not has_schema_privilege(role, oid, reads)
    when relkind = 'S' then not has_sequence_privilege(role, oid, reads)
    else not has_table_privilege(role, oid, reads) end`;
