import type { Platform } from '../context.js';
import { derivedToken, sameSecret } from '../tokens.js';

type Kind = 'addon' | 'attachment';

function tokenFor(platform: Platform, kind: Kind, id: string): string {
  return `t.${kind}.${id}.${derivedToken(platform.key, `log input ${kind} ${id}`)}`;
}

/** Where lines for the app of an add-on or an attachment are sent; its credentials stand in it. */
export function logInputUrl(platform: Platform, kind: Kind, id: string): string {
  const url = new URL('/logs', platform.url());
  url.username = 'token';
  url.password = tokenFor(platform, kind, id);
  return url.toString();
}

/** The app that a log token writes to, or null for a bad token or a thing that is gone. */
export function appOfLogToken(platform: Platform, token: string): string | null {
  const [, kind, id] = token.split('.');
  if ((kind !== 'addon' && kind !== 'attachment') || id === undefined) return null;
  if (!sameSecret(token, tokenFor(platform, kind, id))) return null;
  const appId = platform.store.get(kind === 'addon' ? 'addons' : 'attachments', id)?.appId;
  return appId !== undefined && platform.store.get('apps', appId) ? appId : null;
}
