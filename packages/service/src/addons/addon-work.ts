import type { Secret } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { Logger } from 'pino';
import type { AccessPublisher } from '../access/access-publisher.js';
import type { ControlDatabase } from '../database.js';
import type { AtLabel } from '../options.js';
import type { OauthGrants } from '../platform/oauth-grants.js';
import type { PlatformApi } from '../platform/platform-api.js';
import type { RotationTimes } from '../rotation/rotation-store.js';
import type { StoragePolicy } from '../storage/storage-policy.js';
import type { Vault } from '../vault.js';
import { type Addon, findAddon } from './addon-store.js';

/** What the labels of an add-on's strand work with. */
export interface AddonWork {
  db: ControlDatabase;
  vault: Vault;
  engine: Engine;
  publisher: AccessPublisher;
  grants: OauthGrants;
  platform: PlatformApi;
  clientAppTokenKey: Secret<Buffer>;
  tunnelHost: string;
  rotation: RotationTimes;
  storagePolicy: StoragePolicy;
  /** Known once the service listens. */
  apiBaseUrl(): string;
  log: Logger;
  atLabel?: AtLabel | undefined;
}

/** The row of a running strand: it is deleted only with the strand itself. */
export async function ownAddon(work: AddonWork, id: string): Promise<Addon> {
  const addon = await findAddon(work.db, id);
  if (!addon) throw new Error(`BUG: the strand of add-on ${id} runs without its row`);
  return addon;
}
