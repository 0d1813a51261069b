import pg from 'pg';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';

const { escapeIdentifier, escapeLiteral } = pg;

interface Setting {
  role: string | null;
  database: string | null;
  config: string[];
}

/** Gives roles and databases of `to` the settings that those of the same name have in `from`. */
export async function carrySettings(from: ServerSpec, to: ServerSpec): Promise<void> {
  const wanted = await withConnection(from, 'postgres', readSettings);
  await withConnection(to, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string }>('select lower(name) as name from pg_settings');
    const known = new Set(rows.map(({ name }) => name));
    for (const setting of wanted)
      for (const entry of setting.config) if (isKnown(entry, known)) await client.query(statementFor(setting, entry));
  });
}

/** One that the other major has no longer would have no effect there; those with a dot are a tenant's own. */
function isKnown(entry: string, known: ReadonlySet<string>): boolean {
  const name = entry.slice(0, entry.indexOf('='));
  return name.includes('.') || known.has(name.toLowerCase());
}

async function readSettings(client: pg.Client): Promise<Setting[]> {
  const { rows } = await client.query<Setting>(
    `select rolname as role, datname as database, setconfig as config from pg_db_role_setting
       left join pg_roles r on r.oid = setrole left join pg_database d on d.oid = setdatabase
     where (setrole = 0 or (rolname is not null and not rolsuper and rolname !~ '^pg_'))
       and (setdatabase = 0 or (datname is not null and not datistemplate and datname <> 'postgres'))
       and (setrole <> 0 or setdatabase <> 0)`,
  );
  return rows;
}

function statementFor({ role, database }: Setting, entry: string): string {
  const at = entry.indexOf('=');
  const [name, value] = [entry.slice(0, at), entry.slice(at + 1)];
  const place = database === null ? '' : ` in database ${escapeIdentifier(database)}`;
  const whose = role === null ? `database ${escapeIdentifier(database!)}` : `role ${escapeIdentifier(role)}${place}`;
  return `alter ${whose} set ${name.split('.').map(escapeIdentifier).join('.')} to ${LISTS.has(name) ? value || "''" : escapeLiteral(value)}`;
}

/** Lists of names, which are kept as they are to be written. */
const LISTS = new Set(['search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries']);
