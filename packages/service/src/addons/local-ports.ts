import { LOCAL_PORTS } from '@borealis/contract';
import { sql } from 'kysely';
import type { Transaction } from '../database.js';
import { AppError } from '../errors.js';
import type { Access } from '../schema.js';

/** The ports in an add-on's URLs: the writer's and the reader's. */
export type LocalPorts = Record<Access, number>;

const RACES = 50;

/** Gives the add-on its two ports, the same ones for its life. Throws `noPorts` when the range is used up. */
export async function allotLocalPorts(tx: Pick<Transaction, 'sql'>, addonId: string): Promise<LocalPorts> {
  for (let race = 0; race < RACES; race++) {
    const ports = await findLocalPorts(tx, addonId);
    if (ports) return ports;
    await takeFreePorts(tx, addonId);
  }
  throw new AppError('noPorts');
}

/** The add-on's two ports; null before they are allotted. */
export async function findLocalPorts(tx: Pick<Transaction, 'sql'>, addonId: string): Promise<LocalPorts | null> {
  const rows = await tx.sql.selectFrom('local_port').selectAll().where('addon_id', '=', addonId).execute();
  const port = (access: Access) => rows.find((row) => row.access === access)?.port;
  const [ro, rw] = [port('ro'), port('rw')];
  return ro && rw ? { ro, rw } : null;
}

// Random free ports, so that transactions at the same time seldom want the same one; who loses a race simply tries again.
// All take theirs in one order, by access and by port alike: in different orders two of them could wait for each other.
async function takeFreePorts(tx: Pick<Transaction, 'sql'>, addonId: string): Promise<void> {
  await sql`
    insert into local_port (port, addon_id, access)
    select free.port, ${addonId}::uuid, wanted.access
    from (select kind.access, row_number() over (order by kind.access) as n from unnest(array['ro', 'rw']) kind(access)
          where not exists (select from local_port p where p.addon_id = ${addonId} and p.access = kind.access)) wanted
    join (select port, row_number() over (order by port) as n from
           (select port from generate_series(${LOCAL_PORTS.first}::int, ${LOCAL_PORTS.last}::int) port
            where not exists (select from local_port p where p.port = port.port) order by random() limit 2) random_order
         ) free using (n)
    order by n
    on conflict do nothing`.execute(tx.sql);
}
