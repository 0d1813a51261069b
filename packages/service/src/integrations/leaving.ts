import type { Engine } from '@borealis/engine';
import type { Kysely } from 'kysely';
import type { ControlDatabase } from '../database.js';
import type { Database } from '../schema.js';

/** An integration that the access document lists no more. */
export interface Leaving {
  id: string;
  username: string;
  role: string;
}

/** Integrations of the add-on whose removal was begun, and maybe cut short. */
export function leavingIntegrations({ sql }: Pick<ControlDatabase, 'sql'>, addonId: string): Promise<Leaving[]> {
  return sql
    .selectFrom('data_integration')
    .select(['id', 'username', 'role'])
    .where('addon_id', '=', addonId)
    .where('leaving', '=', true)
    .execute();
}

/** Ends the tunnels and sessions that they opened. To be called when a document without them is in force. */
export async function closeIntegrations(engine: Engine, clusterId: string, leaving: readonly Leaving[]): Promise<void> {
  const tunnelUsers = leaving.map(({ username }) => username);
  await engine.closeSessions(clusterId, { tunnelUsers, roles: leaving.map(({ role }) => role) });
}

/** A row write: their names are free again. */
export async function forgetIntegrations(sql: Kysely<Database>, leaving: readonly Leaving[]): Promise<void> {
  const ids = leaving.map(({ id }) => id);
  await sql.deleteFrom('data_integration').where('id', 'in', ids).execute();
}
