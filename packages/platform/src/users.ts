import { randomUUID } from 'node:crypto';
import type { Platform } from './context.js';
import type { Authorization, User } from './store/records.js';
import type { Transaction } from './store/store.js';
import { hashToken } from './tokens.js';

export function findUser(platform: Platform, emailOrId: string): User | undefined {
  const wanted = emailOrId.toLowerCase();
  return platform.store.find('users', (row) => row.email === wanted || row.id === wanted);
}

/** The user with that e-mail address, made if there is none. */
export function adoptUser(platform: Platform, tx: Transaction, email: string): User {
  const found = findUser(platform, email);
  if (found) return found;
  const user = { id: randomUUID(), email: email.toLowerCase(), createdAt: platform.now() };
  tx.put('users', user);
  return user;
}

export interface NewAuthorization {
  userId: string;
  token: string;
  description: string;
  scope: string[];
  /** Null: never. */
  expiresInSeconds: number | null;
}

export function putAuthorization(platform: Platform, tx: Transaction, wanted: NewAuthorization): Authorization {
  const now = platform.now();
  const row: Authorization = {
    id: randomUUID(),
    userId: wanted.userId,
    tokenHash: hashToken(wanted.token),
    description: wanted.description,
    scope: wanted.scope,
    expiresAt: wanted.expiresInSeconds === null ? null : now + wanted.expiresInSeconds * 1000,
    createdAt: now,
  };
  tx.put('authorizations', row);
  return row;
}

const OWNER_KEY = 'Key of the platform owner';

/** Makes the first user with his token. A later start with another token makes that one valid instead. */
export function adoptOwner(platform: Platform, owner: { email: string; token: string }): void {
  const user = findUser(platform, owner.email);
  const keys = platform.store.filter(
    'authorizations',
    (row) => row.userId === user?.id && row.description === OWNER_KEY,
  );
  if (keys.length === 1 && keys[0]!.tokenHash === hashToken(owner.token)) return;
  platform.store.commit((tx) => {
    for (const old of keys) tx.delete('authorizations', old.id);
    const { id } = adoptUser(platform, tx, owner.email);
    const key = { userId: id, token: owner.token, description: OWNER_KEY, scope: ['global'], expiresInSeconds: null };
    putAuthorization(platform, tx, key);
  });
}

/** Deletes tokens and grants that have expired. */
export function prune(platform: Platform): void {
  const now = platform.now();
  const dead = (row: { expiresAt: number | null }) => row.expiresAt !== null && row.expiresAt <= now;
  platform.store.commit((tx) => {
    for (const table of ['authorizations', 'grants', 'addonTokens'] as const)
      for (const row of platform.store.all(table)) if (dead(row)) tx.delete(table, row.id);
  });
}
