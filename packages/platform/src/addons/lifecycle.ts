import type { Actor } from '../access/principal.js';
import { attachmentsOf } from '../access/visible.js';
import type { Platform } from '../context.js';
import { invalid } from '../errors.js';
import { commitReleasing } from '../releases.js';
import type { Addon, Attachment } from '../store/records.js';
import type { Transaction } from '../store/store.js';

/** How the maker of the add-ons is named in releases. */
export function makerOf(platform: Platform): Actor {
  return { id: platform.catalogue.serviceId, email: `${platform.catalogue.slug}@addons.heroku.com` };
}

function appIdsOf(platform: Platform, addon: Addon): string[] {
  return attachmentsOf(platform, addon.id).map((row) => row.appId);
}

/** `Attach DATABASE (@ref:borealis-pg-cubic-14331)`, with the names that the add-on has on that app. */
function describe(platform: Platform, verb: string, addon: Addon): (app: { id: string }) => string {
  const attachments = attachmentsOf(platform, addon.id);
  return (app) => {
    const names = attachments.filter((row) => row.appId === app.id).map((row) => row.name);
    return `${verb} ${names.join(', ')} (@ref:${addon.name})`;
  };
}

export function putAddon(tx: Transaction, platform: Platform, addon: Addon, change: Partial<Addon>): void {
  tx.put('addons', { ...addon, ...change, updatedAt: platform.now() });
}

/** Provisioned: its config vars reach its apps in one release each. Doing it twice does nothing more. */
export function markProvisioned(platform: Platform, addonId: string, change: Partial<Addon> = {}): void {
  const addon = platform.store.get('addons', addonId);
  if (addon?.state !== 'provisioning') return;
  const options = {
    appIds: appIdsOf(platform, addon),
    actor: makerOf(platform),
    describe: describe(platform, 'Attach', addon),
  };
  commitReleasing(platform, options, (tx) => {
    putAddon(tx, platform, addon, { ...change, state: 'provisioned', pending: null });
    for (const row of attachmentsOf(platform, addonId)) takePlace(tx, platform, row);
  });
  platform.log.info({ addon: addon.name }, 'add-on provisioned');
}

function takePlace(tx: Transaction, platform: Platform, attachment: Attachment): void {
  if (attachment.replaces === null) return;
  tx.delete('attachments', attachment.replaces);
  tx.put('attachments', { ...attachment, replaces: null, updatedAt: platform.now() });
}

/** Sets and (by null) removes config vars, in the maker's names. A provisioned add-on's apps get a release if that changed them. */
export function changeAddonConfig(
  platform: Platform,
  addon: Addon,
  changes: readonly { name: string; value: string | null }[],
  change: Partial<Addon> = {},
): void {
  for (const { name } of changes) platform.catalogue.checkConfigVar(name);
  if (addon.state === 'deprovisioning') throw invalid(`${addon.name} is being removed.`);
  const config = { ...addon.config };
  for (const { name, value } of changes) {
    if (value === null) delete config[name];
    else config[name] = value;
  }
  const names = (appId: string) =>
    attachmentsOf(platform, addon.id)
      .filter((row) => row.appId === appId)
      .map((row) => row.name);
  const options = {
    appIds: appIdsOf(platform, addon),
    actor: makerOf(platform),
    describe: (app: { id: string }) => `Update ${names(app.id).join(', ')} by ${platform.catalogue.slug}`,
  };
  commitReleasing(platform, options, (tx) => putAddon(tx, platform, addon, { ...change, config }));
}

/**
 * From here on the add-on is only waiting for its maker to confirm: its attachments and config vars are gone,
 * and the message to the maker is pending. A destroy wins over anything else that is pending.
 */
export function beginDeprovision(platform: Platform, addonId: string, actor: Actor): void {
  const addon = platform.store.get('addons', addonId);
  if (!addon || addon.state === 'deprovisioning') return;
  const attachments = attachmentsOf(platform, addonId);
  const options = { appIds: appIdsOf(platform, addon), actor, describe: describe(platform, 'Detach', addon) };
  commitReleasing(platform, options, (tx) => {
    for (const row of attachments) tx.delete('attachments', row.id);
    const pending = { kind: 'deprovision', tries: 0 } as const;
    putAddon(tx, platform, addon, { state: 'deprovisioning', pending, config: {}, options: {} });
  });
}

/** Forgets the add-on with everything that belongs to it: attachments, config vars, grants and tokens. */
export function removeAddon(platform: Platform, addonId: string): void {
  const addon = platform.store.get('addons', addonId);
  if (!addon) return;
  const options = {
    appIds: appIdsOf(platform, addon),
    actor: makerOf(platform),
    describe: describe(platform, 'Detach', addon),
  };
  commitReleasing(platform, options, (tx) => {
    tx.delete('addons', addonId);
    for (const row of attachmentsOf(platform, addonId)) tx.delete('attachments', row.id);
    for (const row of platform.store.filter('grants', (one) => one.addonId === addonId)) tx.delete('grants', row.id);
    for (const row of platform.store.filter('addonTokens', (one) => one.addonId === addonId))
      tx.delete('addonTokens', row.id);
  });
  platform.log.info({ addon: addon.name }, 'add-on removed');
}
