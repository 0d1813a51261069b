import type { Platform } from '../context.js';
import type { Addon, App, Attachment } from '../store/records.js';

/** `BOREALIS_PG_URL` under the attachment DATABASE is `DATABASE_URL`. */
export function attachedName(platform: Platform, attachment: string, declared: string): string {
  const prefix = `${platform.catalogue.manifest.api.config_vars_prefix}_`;
  return `${attachment}_${declared.slice(prefix.length)}`;
}

/** The config vars that an attachment gives to its app: none before its add-on is provisioned. */
export function attachmentConfig(platform: Platform, attachment: Attachment): Record<string, string> {
  const addon = platform.store.get('addons', attachment.addonId);
  if (addon?.state !== 'provisioned') return {};
  return Object.fromEntries(
    Object.entries(addon.config).map(([name, value]) => [attachedName(platform, attachment.name, name), value]),
  );
}

/** All config vars of an app, its own and those of its attachments, sorted by name. */
export function effectiveConfig(platform: Platform, app: App): Record<string, string> {
  const attached = platform.store
    .filter('attachments', (row) => row.appId === app.id)
    .map((row) => attachmentConfig(platform, row));
  const all: Record<string, string> = Object.assign({}, app.config, ...attached);
  return Object.fromEntries(Object.entries(all).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** The names under which an app has an add-on's config vars. */
export function addonConfigNames(platform: Platform, addon: Addon, appId: string): string[] {
  return platform.store
    .filter('attachments', (row) => row.addonId === addon.id && row.appId === appId)
    .flatMap((row) => Object.keys(attachmentConfig(platform, row)));
}

/** Every name that an attachment called so could set on its app. */
export function possibleNames(platform: Platform, attachment: string): string[] {
  return platform.catalogue.manifest.api.config_vars.map((name) => attachedName(platform, attachment, name));
}
