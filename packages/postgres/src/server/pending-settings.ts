import { withConnection } from './connection.js';
import type { ServerSpec } from './spec.js';

/**
 * Names of those of the spec's own settings that the running server has read and that only a restart brings in. To be asked after `reload`,
 * which makes it read them.
 */
export async function pendingSettings(spec: ServerSpec): Promise<string[]> {
  return withConnection(spec, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'select name from pg_settings where pending_restart and name = any ($1) order by name',
      [Object.keys(spec.settings)],
    );
    return rows.map(({ name }) => name);
  });
}
