import type { Principal } from '../access/principal.js';
import { attachmentsOf, visibleAddons, visibleAttachments } from '../access/visible.js';
import type { Platform } from '../context.js';
import { ApiError, notFound } from '../errors.js';
import type { Addon, App, Attachment } from '../store/records.js';

/** The add-ons of an app: its own and those attached to it. */
export function addonsOn(platform: Platform, app: App): Addon[] {
  const attached = new Set(
    platform.store.filter('attachments', (row) => row.appId === app.id).map((row) => row.addonId),
  );
  return platform.store.filter('addons', (addon) => addon.appId === app.id || attached.has(addon.id));
}

function calledSo(platform: Platform, addon: Addon, name: string): boolean {
  return addon.plan === name || platform.catalogue.slug === name || platform.catalogue.serviceId === name;
}

/** All add-ons that may be meant by `name`: the one of that name or id alone, else by attachment, service or plan. */
export function matchAddons(platform: Platform, principal: Principal, name: string, app: App | null): Addon[] {
  const visible = visibleAddons(platform, principal);
  const exact = visible.filter((addon) => addon.id === name || addon.name === name);
  const onApp = app ? new Set(addonsOn(platform, app).map((addon) => addon.id)) : null;
  if (exact.length > 0) return exact.filter((addon) => onApp?.has(addon.id) ?? true);
  const candidates = visible.filter((addon) => onApp?.has(addon.id) ?? true);
  if (app) {
    const attached = candidates.filter((addon) =>
      attachmentsOf(platform, addon.id).some((row) => row.appId === app.id && row.name === name.toUpperCase()),
    );
    if (attached.length > 0) return attached;
  }
  return candidates.filter((addon) => calledSo(platform, addon, name));
}

/** The one add-on meant by `name`; 404 when there is none, 422 when there are several. */
export function requireAddon(platform: Platform, principal: Principal, name: string, app: App | null = null): Addon {
  const [first, ...others] = matchAddons(platform, principal, name, app);
  if (!first) throw notFound('add_on');
  if (others.length > 0)
    throw new ApiError(422, 'multiple_matches', 'Ambiguous identifier; multiple matching add-ons found.', {
      resource: 'add_on',
    });
  return first;
}

/** All attachments that may be meant by `name`: their own name or id, else the name or id of their add-on. */
export function matchAttachments(
  platform: Platform,
  principal: Principal,
  name: string,
  app: App | null,
): Attachment[] {
  const candidates = visibleAttachments(platform, principal).filter((row) => !app || row.appId === app.id);
  const own = candidates.filter((row) => row.id === name || row.name === name.toUpperCase());
  if (own.length > 0) return own;
  return candidates.filter((row) => {
    const addon = platform.store.get('addons', row.addonId);
    return addon !== undefined && (addon.id === name || addon.name === name);
  });
}
