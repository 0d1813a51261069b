import pg from 'pg';
import { inTransaction, runPlanned } from '../access/sql.js';
import { majorOf } from '../release/offers.js';
import { dropSlot } from '../replication/slots.js';
import { replaceFile } from '../server/configuration.js';
import { withConnection } from '../server/connection.js';
import type { OsUser, ServerSpec } from '../server/spec.js';
import { ownersIn } from './loader.js';
import { applyRoleOf, slotOf, UPGRADE } from './names.js';

const { escapeIdentifier, escapeLiteral } = pg;

/** Until this major, what tenants have defined runs as the subscription's owner when rows are applied; then, as the table's. */
const APPLIES_AS_TABLE_OWNER = 16;

/**
 * Writes the file that `subscribe` takes: with it the server's OS user, and nobody else, can connect to the other server as its
 * superuser.
 */
export async function writeSubscriptionPassword(from: ServerSpec, path: string, os: OsUser | null): Promise<void> {
  const escaped = from.superuser.password.replaceAll('\\', '\\\\').replaceAll(':', '\\:');
  await replaceFile(path, `*:*:*:${from.superuser.name}:${escaped}\n`, os);
}

export interface SubscribeOptions {
  /** Of `writeSubscriptionPassword`. */
  passwordFile: string;
  /** False: both have the same rows already. */
  copyRows?: boolean;
}

/**
 * Begins to feed the database of `to` with what is published by that of `from`; nothing happens where that has begun. From the call on
 * `from` keeps its log for it.
 */
export async function subscribe(
  from: ServerSpec,
  to: ServerSpec,
  database: string,
  options: SubscribeOptions,
): Promise<void> {
  await ensureSlot(from, database);
  await withConnection(to, database, async (client) => {
    const found = await client.query(THERE, [UPGRADE]);
    if (!found.rowCount) await createSubscription(client, from, to, database, options);
    await client.query(`alter subscription ${UPGRADE} enable`);
  });
}

/** Makes sure that the log is kept for the database from now on, if it is not yet. */
export async function ensureSlot(spec: ServerSpec, database: string): Promise<void> {
  await withConnection(spec, database, (client) =>
    client.query(
      `select pg_create_logical_replication_slot($1, 'pgoutput')
       where not exists (select from pg_replication_slots where slot_name = $1)`,
      [slotOf(database)],
    ),
  );
}

const THERE = `select from pg_subscription where subname = $1 and subdbid = (select oid from pg_database where datname = current_database())`;

async function createSubscription(
  client: pg.Client,
  from: ServerSpec,
  to: ServerSpec,
  database: string,
  { passwordFile, copyRows = true }: SubscribeOptions,
): Promise<void> {
  const major = Number(majorOf(to.release.version));
  const others = major >= APPLIES_AS_TABLE_OWNER ? ', origin = none' : '';
  const withs = `create_slot = false, enabled = false, slot_name = ${escapeLiteral(slotOf(database))}, copy_data = ${copyRows}${others}`;
  const connection = escapeLiteral(connectionTo(from, database, passwordFile));
  await inTransaction(client, async () => {
    if (copyRows) await runPlanned(client, EMPTY_EXTENSION_TABLES, []);
    await client.query(
      `create subscription ${UPGRADE} connection ${connection} publication ${UPGRADE} with (${withs})`,
    );
    if (major < APPLIES_AS_TABLE_OWNER) await giveToApplyRole(client, database);
  });
}

// What an extension brings in its own tables comes from the other server, too.
const EMPTY_EXTENSION_TABLES = `
  select format('truncate %s cascade', string_agg(objid::regclass::text, ', ')) as statement
  from pg_depend join pg_class c on c.oid = objid
  where classid = 'pg_class'::regclass and deptype = 'e' and relkind in ('r', 'p') having count(*) > 0`;

/** The owner has to be a superuser for a moment: nobody else may own a subscription in these majors, but whoever owns it may lose that. */
async function giveToApplyRole(client: pg.Client, database: string): Promise<void> {
  const role = escapeIdentifier(applyRoleOf(database));
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [applyRoleOf(database)]);
  if (!rowCount) await client.query(`create role ${role} login bypassrls`);
  for (const owner of await ownersIn(client)) await client.query(`grant ${escapeIdentifier(owner)} to ${role}`);
  await client.query(`alter role ${role} superuser`);
  await client.query(`alter subscription ${UPGRADE} owner to ${role}`);
  await client.query(`alter role ${role} nosuperuser`);
}

function connectionTo({ socketDirectory, port, superuser }: ServerSpec, database: string, passfile: string): string {
  const words = { host: socketDirectory, port: String(port), user: superuser.name, dbname: database, passfile };
  return Object.entries({ ...words, application_name: UPGRADE, connect_timeout: '10' })
    .map(([key, value]) => `${key}='${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
    .join(' ');
}

/** Ends the feeding of these databases by `subscribe`, at the side that is fed; no error where it never began. Their slots stay. */
export async function dropSubscriptions(to: ServerSpec, databases: readonly string[]): Promise<void> {
  for (const database of databases)
    await withConnection(to, database, async (client) => {
      const { rowCount } = await client.query(THERE, [UPGRADE]);
      if (rowCount)
        await inTransaction(client, async () => {
          await client.query(`alter subscription ${UPGRADE} disable`);
          await client.query(`alter subscription ${UPGRADE} set (slot_name = none)`);
          await client.query(`drop subscription ${UPGRADE}`);
        });
      await runPlanned(client, DROP_APPLY_ROLE, [applyRoleOf(database)]);
    });
}

const DROP_APPLY_ROLE = `
  select format(step, rolname) as statement from pg_roles, unnest(array['drop owned by %I', 'drop role %I']) as step
  where rolname = $1`;

/** Keeps the log for these databases no longer; no error where none is kept. */
export async function dropSlots(from: ServerSpec, databases: readonly string[]): Promise<void> {
  await withConnection(from, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select slot_name as name from pg_replication_slots
       where slot_name = any ($1) or (database = any ($2) and slot_name ~ '^pg_[0-9]+_sync_')`,
      [databases.map(slotOf), databases],
    );
    for (const { name } of rows) await dropSlot(client, name);
  });
}
