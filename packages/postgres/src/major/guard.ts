import type pg from 'pg';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';

const NAME = 'borealis_upgrade_guard';

/** Temporary objects are not copied and so may come and go; a view that is refreshed and an index that is rebuilt stay what they are. */
const FUNCTION = `
  create or replace function pg_catalog.${NAME}() returns event_trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    if tg_tag in ('REFRESH MATERIALIZED VIEW', 'REINDEX') then return; end if;
    -- The service's own sessions, also where they take another role for a while.
    if (select rolsuper from pg_catalog.pg_roles where rolname = session_user) then return; end if;
    if tg_event = 'ddl_command_end' then
      if not exists (select from pg_event_trigger_ddl_commands() where schema_name is distinct from 'pg_temp') then return; end if;
    elsif tg_event = 'sql_drop' then
      if not exists (select from pg_event_trigger_dropped_objects() where original and not is_temporary) then return; end if;
    elsif exists (select from pg_class where oid = pg_event_trigger_table_rewrite_oid() and relpersistence = 't') then
      return;
    end if;
    raise object_not_in_prerequisite_state using
      message = format('%s is refused: a major version upgrade of this database is running', tg_tag),
      hint = 'Change the schema after the upgrade, or cancel it with: heroku borealis-pg:upgrade:cancel';
  end $$`;

/** The last comes before a table is rewritten, which is much work to be undone. */
const EVENTS = ['ddl_command_end', 'sql_drop', 'table_rewrite'];

/**
 * Refuses every change of the schema by tenants in these databases from now on (SQLSTATE 55000), as long as they are not unguarded.
 * True once no transaction is open any more that may have changed it before: call again until then. No dump contains the guard.
 */
export async function guardSchema(spec: ServerSpec, databases: readonly string[]): Promise<boolean> {
  const settled: boolean[] = [];
  for (const database of databases) settled.push(await withConnection(spec, database, guard));
  return settled.every(Boolean);
}

async function guard(client: pg.Client): Promise<boolean> {
  await client.query(FUNCTION);
  for (const event of EVENTS) await ensureTrigger(client, event);
  // In a later transaction than the triggers: whatever has a higher number than this one saw them.
  await client.query(
    `do $$ begin
       if obj_description((select oid from pg_event_trigger where evtname = '${nameOf(EVENTS[0]!)}'), 'pg_event_trigger') is null then
         execute format('comment on event trigger ${nameOf(EVENTS[0]!)} is %L', txid_current() % (2 ^ 32)::bigint);
       end if;
     end $$`,
  );
  const { rowCount } = await client.query(OPEN_SINCE_BEFORE);
  return rowCount === 0;
}

/** A dump would write it out and nobody could restore that, so it belongs to what a dump leaves out: an extension. */
async function ensureTrigger(client: pg.Client, event: string): Promise<void> {
  const name = nameOf(event);
  const { rowCount } = await client.query('select from pg_event_trigger where evtname = $1', [name]);
  if (rowCount) return;
  await client.query(`
    create event trigger ${name} on ${event} execute function pg_catalog.${NAME}();
    alter event trigger ${name} enable always;
    alter extension plpgsql add event trigger ${name}`);
}

const nameOf = (event: string) => `${NAME}_${event}`;

const OPEN_SINCE_BEFORE = `
  select from pg_stat_activity, (
    select obj_description(oid, 'pg_event_trigger')::xid as began from pg_event_trigger where evtname = '${nameOf(EVENTS[0]!)}') guard
  where datname = current_database() and pid <> pg_backend_pid() and age(backend_xid) > age(began) limit 1`;

/** Allows changes of the schema again; no error where none were refused. */
export async function unguardSchema(spec: ServerSpec, databases: readonly string[]): Promise<void> {
  for (const database of databases) await withConnection(spec, database, unguard);
}

async function unguard(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select evtname as name from pg_event_trigger where evtname = any ($1)`,
    [EVENTS.map(nameOf)],
  );
  for (const { name } of rows)
    await client.query(`alter extension plpgsql drop event trigger ${name}; drop event trigger ${name}`);
  await client.query(`drop function if exists pg_catalog.${NAME}()`);
}
