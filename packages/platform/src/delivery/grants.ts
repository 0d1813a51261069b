import type { Platform } from '../context.js';
import { ApiError } from '../errors.js';
import { hashToken, newToken } from '../tokens.js';

const GRANT_LIFE_MS = 5 * 60_000;
/** Of an add-on's access token: eight hours. */
export const ACCESS_LIFE_MS = 8 * 3_600_000;

/** A code that its add-on's maker can exchange once, within five minutes. */
export function issueGrant(platform: Platform, addonId: string): { code: string; expiresAt: number } {
  const code = newToken('');
  const expiresAt = platform.now() + GRANT_LIFE_MS;
  platform.store.commit((tx) => tx.put('grants', { id: hashToken(code), addonId, expiresAt }));
  return { code, expiresAt };
}

interface Tokens {
  addonId: string;
  access: string;
  refresh: string;
}

function deadGrant(): ApiError {
  return new ApiError(400, 'invalid_grant', 'The grant is unknown, used, expired or revoked.', {
    error: 'invalid_grant',
  });
}

function issueAccess(platform: Platform, addonId: string) {
  const access = newToken('HRKU-');
  const expiresAt = platform.now() + ACCESS_LIFE_MS;
  return { access, record: { id: hashToken(access), addonId, use: 'access', expiresAt } as const };
}

/** Exchanges a code, once, for an access token and the refresh token that lives as long as the add-on. */
export function exchangeCode(platform: Platform, code: string): Tokens {
  const grant = platform.store.get('grants', hashToken(code));
  if (!grant || grant.expiresAt <= platform.now()) throw deadGrant();
  const { addonId } = grant;
  const { access, record } = issueAccess(platform, addonId);
  const refresh = newToken('HRKU-R-');
  platform.store.commit((tx) => {
    tx.delete('grants', grant.id);
    tx.put('addonTokens', record);
    tx.put('addonTokens', { id: hashToken(refresh), addonId, use: 'refresh', expiresAt: null });
  });
  return { addonId, access, refresh };
}

/** A new access token for a refresh token. The old access token lives on to its own end. */
export function refreshAccess(platform: Platform, refresh: string): Tokens {
  const token = platform.store.get('addonTokens', hashToken(refresh));
  if (token?.use !== 'refresh') throw deadGrant();
  const { access, record } = issueAccess(platform, token.addonId);
  platform.store.commit((tx) => tx.put('addonTokens', record));
  return { addonId: token.addonId, access, refresh };
}
