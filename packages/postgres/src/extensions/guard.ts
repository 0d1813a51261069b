import pg from 'pg';
import { runPlanned } from '../access/sql.js';
import { DENIED, patternOf } from './denied.js';

const { escapeLiteral } = pg;

/**
 * Makes CREATE EXTENSION refuse in SQL, too, what is denied: tenants may create trusted extensions themselves. The trigger fires whatever
 * a session sets, and belongs to the superuser. pg_dump leaves it out as a member of plpgsql, an extension every database has.
 */
export async function refuseDeniedExtensions(client: pg.Client): Promise<void> {
  await runPlanned(client, MISSING_FUNCTION, [BODY]);
  await runPlanned(client, MISSING_TRIGGER, []);
}

const NAME = 'borealis_refuse_extensions';

const RULES = DENIED.map((denial) => `(${escapeLiteral(patternOf(denial))}, ${escapeLiteral(denial.reason)})`).join(
  ',\n    ',
);

const BODY = `
declare
  denied record;
begin
  select extname, reason into denied
  from pg_extension join (values
    ${RULES}
  ) as rule (names, reason) on extname ~ names
  limit 1;
  if found then
    raise exception 'The extension "%" is not offered: %.', denied.extname, denied.reason
      using errcode = 'insufficient_privilege';
  end if;
end`;

const MISSING_FUNCTION = `
  select format('create or replace function pg_catalog.${NAME}() returns event_trigger language plpgsql
    set search_path = pg_catalog, pg_temp as %L', $1::text) as statement
  where not exists (
    select from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname = '${NAME}' and prosrc = $1)`;

const MISSING_TRIGGER = `
  select statement from (values
    ('create event trigger ${NAME} on ddl_command_end when tag in (''CREATE EXTENSION'', ''ALTER EXTENSION'')
      execute function pg_catalog.${NAME}()'),
    ('alter event trigger ${NAME} enable always'),
    ('alter extension plpgsql add event trigger ${NAME}')) as steps (statement)
  where not exists (select from pg_event_trigger where evtname = '${NAME}')`;
