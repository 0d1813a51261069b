import type { UserPrincipal } from '../access/principal.js';
import type { Platform } from '../context.js';
import type { Authorization } from '../store/records.js';
import { userRef } from './app-view.js';
import { apiTime } from './time.js';

/** The token itself is shown when it was just made (`token`) or is the asker's own: otherwise nobody knows it any more. */
export function authorizationView(
  platform: Platform,
  row: Authorization,
  principal: UserPrincipal,
  token?: string,
): Record<string, unknown> {
  const own = principal.authorization.id === row.id ? principal.token : 'HRKU-[redacted]';
  const left = row.expiresAt === null ? null : Math.max(0, Math.ceil((row.expiresAt - platform.now()) / 1000));
  return {
    id: row.id,
    description: row.description,
    scope: row.scope,
    client: null,
    grant: null,
    refresh_token: null,
    session: null,
    access_token: { id: row.id, token: token ?? own, expires_in: left },
    user: userRef(platform, row.userId),
    created_at: apiTime(row.createdAt),
    updated_at: apiTime(row.createdAt),
  };
}
