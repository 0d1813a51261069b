import type { Platform } from '../context.js';
import { forbidden, notFound } from '../errors.js';
import type { Addon, App, Attachment } from '../store/records.js';
import { roleIn, teamOf } from '../teams.js';
import type { Principal, UserPrincipal } from './principal.js';

/** Whether a person is the app's owner, in the team that it belongs to, or one of its collaborators. */
export function isMember(platform: Platform, app: App, userId: string): boolean {
  // What belongs to a team is only a member's, whoever made it.
  const team = teamOf(platform, app);
  const isOwn = team ? roleIn(team, userId) !== null : app.ownerId === userId;
  return isOwn || app.collaborators.some((row) => row.userId === userId);
}

/** An add-on's maker sees the apps that his add-on is on; a person sees those he is a member of. */
export function seesApp(platform: Platform, principal: Principal, app: App): boolean {
  if (principal.kind === 'user') return isMember(platform, app, principal.user.id);
  const { addonId } = principal;
  return (
    platform.store.get('addons', addonId)?.appId === app.id ||
    platform.store.find('attachments', (row) => row.addonId === addonId && row.appId === app.id) !== undefined
  );
}

/** A person sees the add-ons of his apps, and those that are attached to one of them. */
export function seesAddon(platform: Platform, principal: Principal, addon: Addon): boolean {
  if (principal.kind === 'addon') return principal.addonId === addon.id;
  const appIds = [addon.appId, ...attachmentsOf(platform, addon.id).map((row) => row.appId)];
  return appIds.some((id) => {
    const app = platform.store.get('apps', id);
    return app !== undefined && isMember(platform, app, principal.user.id);
  });
}

export function attachmentsOf(platform: Platform, addonId: string): Attachment[] {
  return platform.store.filter('attachments', (row) => row.addonId === addonId);
}

export function visibleApps(platform: Platform, principal: Principal): App[] {
  return platform.store.filter('apps', (app) => seesApp(platform, principal, app));
}

export function visibleAddons(platform: Platform, principal: Principal): Addon[] {
  return platform.store.filter('addons', (addon) => seesAddon(platform, principal, addon));
}

/** The attachments on apps that the principal sees. */
export function visibleAttachments(platform: Platform, principal: Principal): Attachment[] {
  const apps = new Set(visibleApps(platform, principal).map((app) => app.id));
  return platform.store.filter(
    'attachments',
    (row) => apps.has(row.appId) && (principal.kind === 'user' || principal.addonId === row.addonId),
  );
}

/** The app of that name or id when the principal sees it; else a 404 that does not say whether there is one. */
export function requireApp(platform: Platform, principal: Principal, nameOrId: string): App {
  const app = platform.store.find('apps', (row) => row.name === nameOrId || row.id === nameOrId);
  if (!app || !seesApp(platform, principal, app)) throw notFound('app');
  return app;
}

/** Refuses what only the owner of an app, or an admin of its team, may do. */
export function requireOwner(platform: Platform, app: App | undefined, principal: UserPrincipal, what: string): void {
  const team = app && teamOf(platform, app);
  const isOwner = team ? roleIn(team, principal.user.id) === 'admin' : app?.ownerId === principal.user.id;
  if (!isOwner) throw forbidden(`Only the owner of ${app?.name ?? 'the app'} may ${what}.`);
}

/** Refuses what nobody may do with an add-on that is only attached to an app of his: it belongs to the members of another. */
export function requireAddonMember(platform: Platform, addon: Addon, principal: UserPrincipal, what: string): void {
  const app = platform.store.get('apps', addon.appId);
  if (!app || !isMember(platform, app, principal.user.id))
    throw forbidden(`Only who has access to the app that ${addon.name} belongs to may ${what}.`);
}
