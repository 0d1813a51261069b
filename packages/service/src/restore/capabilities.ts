import type { RestoreCapabilities } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { Addon } from '../addons/addon-store.js';
import { latestBackup } from '../backups/receipts.js';
import type { ControlDatabase } from '../database.js';

/** What can be made of an add-on that is provisioned, as the engine says now. */
export async function restoreCapabilitiesOf(
  db: ControlDatabase,
  engine: Engine,
  addon: Addon,
): Promise<RestoreCapabilities> {
  const window = await engine.restoreWindow(addon.cluster_id);
  const { earliest = null, latest = null, proof = null } = window ?? {};
  return {
    cloneSupported: window !== null,
    restoreSupported: earliest !== null && latest !== null,
    earliestRestorableTime: earliest,
    latestRestorableTime: latest,
    latestBackup: await latestBackup(db, addon.id),
    latestRestoreProof: proof,
  };
}
