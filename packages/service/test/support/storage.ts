import { pino } from 'pino';
import { openDatabase } from '../../src/database.js';
import { StorageLimits } from '../../src/storage/storage-limits.js';
import { STORAGE_POLICY, type StoragePolicy } from '../../src/storage/storage-policy.js';
import { StorageWatch } from '../../src/storage/storage-watch.js';
import { availableAddon, call, type Harness } from './harness.js';

const GIB = 2 ** 30;

/** A service whose add-ons may take so many bytes, and its watch over them, turned by hand. They begin with ten. */
export async function useStorage(harness: Harness, limitBytes = 1000) {
  const { pool, engine } = harness;
  const policy: StoragePolicy = { ...STORAGE_POLICY, limitBytes };
  const service = await harness.another({ storage: policy });
  const db = { ...openDatabase(pool.options, () => {}), pool };
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const limits = new StorageLimits(db, () => service.strands, policy);
  const watch = new StorageWatch({ db, engine, limits, log });
  const addon = async (more: Record<string, unknown> = {}) => {
    const made = await availableAddon({ service, platform: harness.platform }, more);
    const { rows } = await pool.query('select database_name, cluster_id from addon where id = $1', [made.id]);
    const { database_name: database, cluster_id: clusterId } = rows[0];
    engine.sizes.set(database, 10);
    /** Lets the strand do what it was woken for. */
    const work = async () => {
      for (let steps = 0; steps < 3; steps++) await service.strands.step(made.id);
    };
    const look = async () => {
      await pool.query('update storage set look_at = now() where addon_id = $1', [made.id]);
      await watch.turn();
    };
    return {
      ...made,
      ...{ database, work, look },
      /** Makes the database this large and measures it; with `work`, everything that follows has happened. */
      measure: async (bytes: number) => {
        engine.sizes.set(database, bytes);
        await look();
      },
      grow: async (bytes: number) => {
        engine.sizes.set(database, bytes);
        await look();
        await work();
      },
      isRestricted: () =>
        engine.clusters.get(clusterId)!.access!.databases.find(({ name }) => name === database)!.restricted,
      info: async () => (await call(service, made.token, 'GET', made.name)).json(),
      clean: () => call(service, made.token, 'POST', `${made.name}/cleanup-window`),
      dbUser: (enableWriteAccess: boolean) =>
        call(service, made.token, 'POST', `${made.name}/personal-db-users`, { enableWriteAccess }),
      /** Events about storage with the reason they give. */
      events: async () => {
        const { rows: events } = await pool.query(
          `select type, attributes from event where addon_id = $1 and type ~ '^db-(storage|write)' order by id`,
          [made.id],
        );
        return events.map(({ type, attributes }) => [type, attributes.reason].filter(Boolean).join(' '));
      },
      mails: async (): Promise<string[]> => {
        const sql = 'select subject from mail where addon_id = $1 order by written_at, id';
        const { rows: mails } = await pool.query(sql, [made.id]);
        return mails.map(({ subject }) => subject.replace(made.name, 'IT'));
      },
    };
  };
  return {
    ...{ service, addon, watch, limits },
    logged: () => lines.join(''),
    setDisk: (freeGib: number) => {
      engine.free = { ...engine.free, totalBytes: 100 * GIB, freeBytes: freeGib * GIB };
    },
    /** Lets the time of all deadlines and windows pass. */
    passTime: () =>
      pool.query(
        `update storage set deadline = now() where deadline is not null;
         update storage set window_until = now() where window_until is not null`,
      ),
    nextDay: () => pool.query(`update storage set window_opened_at = now() - interval '25 hours'`),
  };
}
