import type pg from 'pg';

const NAME = 'borealis_restriction';

// Whoever owns something may change it, grant it and give it comments without any right that could be taken, and PostgreSQL
// itself may run a tenant's function as the owner of a table (ANALYZE does). Functions in pg_catalog are in no dump.
const FUNCTION = `
  create or replace function pg_catalog.${NAME}() returns event_trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
      raise insufficient_privilege using
        message = format('permission denied for %s: this database is restricted to reading', tg_tag),
        hint = 'Its storage limit was exceeded. All rights come back once it is within its limit.';
    end if;
  end $$`;

/** From its commit on, refuses every statement with which a tenant could define, change, grant, comment or drop anything. */
export async function refuseDefinitions(client: pg.Client): Promise<void> {
  await client.query(FUNCTION);
  if (await isRefusing(client)) return;
  // A dump would write it out and nobody could restore that, so it belongs to what a dump leaves out: an extension.
  await client.query(`
    create event trigger ${NAME} on ddl_command_start execute function pg_catalog.${NAME}();
    alter extension plpgsql add event trigger ${NAME}`);
}

/** Allows them again. */
export async function allowDefinitions(client: pg.Client): Promise<void> {
  if (await isRefusing(client)) {
    await client.query(`alter extension plpgsql drop event trigger ${NAME}; drop event trigger ${NAME}`);
  }
  await client.query(`drop function if exists pg_catalog.${NAME}()`);
}

async function isRefusing(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query('select from pg_event_trigger where evtname = $1', [NAME]);
  return rowCount === 1;
}
