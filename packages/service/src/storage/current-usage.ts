import type { Engine } from '@borealis/engine';
import type { Logger } from 'pino';
import type { Addon } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import { findStorage } from './storage-store.js';

/** Bytes that the add-on's database takes now. What was measured last counts while the engine cannot tell. */
export async function currentUsage(
  { db, engine, log }: { db: ControlDatabase; engine: Engine; log: Logger },
  addon: Addon,
): Promise<number> {
  try {
    const bytes = (await engine.usage(addon.cluster_id))[addon.database_name];
    if (bytes !== undefined) return bytes;
  } catch (error) {
    log.warn({ addon: addon.id, err: error }, 'the storage in use cannot be measured');
  }
  return Number((await findStorage(db, addon.id))?.usage_bytes ?? 0);
}
