import { randomUUID } from 'node:crypto';
import type { Platform } from '../context.js';
import { confirmationRequired, invalid } from '../errors.js';
import { checkAttachmentName, defaultAttachmentName } from '../names.js';
import type { Addon, App, Attachment } from '../store/records.js';
import { possibleNames } from './config.js';

interface Wanted {
  name?: string | undefined;
  confirm?: string | undefined;
}

/** An attachment of that add-on to that app, not stored yet. Refuses a name that is in use, unless that is confirmed. */
export function planAttachment(platform: Platform, addon: Addon, app: App, wanted: Wanted): Attachment {
  const attached = platform.store.filter('attachments', (row) => row.appId === app.id);
  const isTaken = (name: string) =>
    attached.some((row) => row.name === name) || ownConfigUnder(platform, app, name) !== undefined;
  const name =
    wanted.name === undefined
      ? defaultAttachmentName(platform.catalogue.manifest.api.config_vars_prefix, isTaken)
      : checkAttachmentName(wanted.name);
  const own = ownConfigUnder(platform, app, name);
  if (own) throw invalid(`The attachment name ${name} would overwrite the config var ${own}, unset that first.`);
  const replaced = attached.find((row) => row.name === name);
  if (replaced) confirmReplacing(platform, addon, app, replaced, wanted.confirm);
  const now = platform.now();
  const ids = { id: randomUUID(), addonId: addon.id, appId: app.id, replaces: replaced?.id ?? null };
  return { ...ids, name, createdAt: now, updatedAt: now };
}

function ownConfigUnder(platform: Platform, app: App, name: string): string | undefined {
  return possibleNames(platform, name).find((key) => Object.hasOwn(app.config, key));
}

function confirmReplacing(
  platform: Platform,
  addon: Addon,
  app: App,
  replaced: Attachment,
  confirm: string | undefined,
): void {
  if (replaced.addonId === addon.id)
    throw invalid(`${addon.name} is already attached to ${app.name} as ${replaced.name}.`);
  if (confirm === app.name) return;
  const other = platform.store.get('addons', replaced.addonId)?.name ?? 'another add-on';
  throw confirmationRequired(
    `Adding ${addon.name} as ${replaced.name} to app ${app.name} would overwrite the existing attachment of ${other}. Confirm with the name of the app.`,
  );
}
