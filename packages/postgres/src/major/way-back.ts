import type pg from 'pg';
import { withConnection } from '../server/connection.js';
import type { ServerSpec } from '../server/spec.js';
import { UPGRADE } from './names.js';
import { openToApply } from './open-to-apply.js';
import { prepareSource, undoSource } from './source.js';
import { dropSlots, ensureSlot } from './subscribe.js';

const NAME = 'borealis_way_back';
const EVENTS = ['ddl_command_end', 'sql_drop'];
const nameOf = (event: string) => `${NAME}_${event}`;

/**
 * Ends the way back together with the first change of the schema: it is not replicated, and a table that is published refuses changes of rows
 * that it cannot name. Rights do not count, nor do sessions of the service, but for extensions that they install or remove.
 */
const FUNCTION = `
  create or replace function pg_catalog.${NAME}() returns event_trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
  begin
    if tg_tag in ('GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES', 'REFRESH MATERIALIZED VIEW', 'REINDEX', 'DROP PUBLICATION') then return; end if;
    if tg_tag not in ('CREATE EXTENSION', 'DROP EXTENSION') and (select rolsuper from pg_roles where rolname = session_user) then return; end if;
    if tg_event = 'ddl_command_end' then
      if not exists (select from pg_event_trigger_ddl_commands() where schema_name is distinct from 'pg_temp') then return; end if;
    elsif not exists (select from pg_event_trigger_dropped_objects() where original and not is_temporary) then return;
    end if;
    if exists (select from pg_publication where pubname = '${UPGRADE}') then drop publication ${UPGRADE}; end if;
  end $$`;

/** Makes ready for a way back from these databases, which nobody writes to but what feeds them; repeated, it does nothing more. */
export async function prepareWayBack(spec: ServerSpec, databases: readonly string[]): Promise<void> {
  await prepareSource(spec, databases);
  for (const database of databases)
    await withConnection(spec, database, async (client) => {
      await client.query(FUNCTION);
      for (const event of EVENTS) await ensureTrigger(client, event);
    });
}

/** From the call on the log is kept for the way back. */
export async function beginWayBack(spec: ServerSpec, databases: readonly string[]): Promise<void> {
  await dropSlots(spec, databases);
  for (const database of databases) await ensureSlot(spec, database);
}

/** Makes the former server's database ready to be fed by it. */
export async function openWayBack(former: ServerSpec, database: string): Promise<void> {
  await withConnection(former, database, openToApply);
}

/** False once somebody has changed the schema. */
export async function hasWayBack(spec: ServerSpec, database: string): Promise<boolean> {
  return withConnection(spec, database, async (client) => {
    const { rowCount } = await client.query('select from pg_publication where pubname = $1', [UPGRADE]);
    return rowCount === 1;
  });
}

/** Removes all of it; repeated, it finds less to do. */
export async function endWayBack(spec: ServerSpec, databases: readonly string[]): Promise<void> {
  for (const database of databases) await withConnection(spec, database, dropTriggers);
  await dropSlots(spec, databases);
  await undoSource(spec, databases);
}

/** A part of an extension, so that no dump has it. */
async function ensureTrigger(client: pg.Client, event: string): Promise<void> {
  const name = nameOf(event);
  const { rowCount } = await client.query('select from pg_event_trigger where evtname = $1', [name]);
  if (rowCount) return;
  await client.query(`
    create event trigger ${name} on ${event} execute function pg_catalog.${NAME}();
    alter event trigger ${name} enable always;
    alter extension plpgsql add event trigger ${name}`);
}

async function dropTriggers(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'select evtname as name from pg_event_trigger where evtname = any ($1)',
    [EVENTS.map(nameOf)],
  );
  for (const { name } of rows)
    await client.query(`alter extension plpgsql drop event trigger ${name}; drop event trigger ${name}`);
  await client.query(`drop function if exists pg_catalog.${NAME}()`);
}
