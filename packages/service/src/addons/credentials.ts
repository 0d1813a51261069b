import {
  formatVerifier,
  makeSshKeyPair,
  makeVerifier,
  parseVerifier,
  randomName,
  randomPassword,
  Secret,
} from '@borealis/contract';
import type { ClientBase } from 'pg';
import { bumpRevision } from '../access/revision.js';
import { type ControlDatabase, queriesOn } from '../database.js';
import { appRoleName } from '../restore/origin-store.js';
import type { Access } from '../schema.js';
import type { Vault } from '../vault.js';

/** A role of the app with the password that its config vars carry. */
export interface AppRole {
  name: string;
  password: Secret;
}

/** Everything the app logs in with. */
export interface AppCredentials {
  roles: Record<Access, AppRole>;
  sshUsername: string;
  sshPrivateKey: Secret;
}

const passwordPlace = (addonId: string, access: Access) => ({
  table: 'app_role',
  row: `${addonId}/${access}`,
  column: 'password',
});
const keyPlace = (addonId: string) => ({ table: 'app_ssh_key', row: addonId, column: 'private_key' });

/**
 * Makes fresh credentials and returns the row write that keeps them, unless the add-on has some already. `suffix` is how the names of
 * its roles end, where that is settled.
 */
export async function prepareAppCredentials(
  vault: Vault,
  addonId: string,
  suffix: string = randomName(12),
): Promise<(db: ClientBase) => Promise<void>> {
  const roles = await Promise.all([newRole(vault, addonId, 'rw', suffix), newRole(vault, addonId, 'ro', suffix)]);
  const key = makeSshKeyPair();
  const keyRow = {
    addon_id: addonId,
    username: `app-${suffix}`,
    public_key: key.publicKey,
    private_key: vault.seal(key.privateKey, keyPlace(addonId)),
  };
  return async (client) => {
    const sql = queriesOn(client);
    const added = await sql
      .insertInto('app_ssh_key')
      .values(keyRow)
      .onConflict((conflict) => conflict.column('addon_id').doNothing())
      .executeTakeFirst();
    if (added.numInsertedOrUpdatedRows !== 1n) return;
    await sql.insertInto('app_role').values(roles).execute();
    await bumpRevision(sql, addonId);
  };
}

async function newRole(vault: Vault, addonId: string, access: Access, suffix: string) {
  return {
    addon_id: addonId,
    access,
    name: appRoleName(access, suffix),
    ...(await newPassword(vault, addonId, access)),
  };
}

/** `like`: a verifier that stays valid beside the new one, which therefore must have its salt. */
async function newPassword(vault: Vault, addonId: string, access: Access, like?: string) {
  const password = randomPassword();
  const verifier = await makeVerifier(password, like === undefined ? undefined : parseVerifier(like));
  return {
    verifier: formatVerifier(verifier),
    password: vault.seal(new Secret(password), passwordPlace(addonId, access)),
  };
}

/** Makes the passwords and the key that come after the current ones and returns the row write that keeps them. */
export async function prepareNextCredentials(
  db: ControlDatabase,
  vault: Vault,
  addonId: string,
): Promise<(client: ClientBase) => Promise<void>> {
  const rows = await db.sql.selectFrom('app_role').selectAll().where('addon_id', '=', addonId).execute();
  const next = await Promise.all(
    rows.map(async ({ access, verifier }) => ({ access, ...(await newPassword(vault, addonId, access, verifier)) })),
  );
  const key = makeSshKeyPair();
  return async (client) => {
    const sql = queriesOn(client);
    for (const { access, verifier, password } of next)
      await sql
        .updateTable('app_role')
        .set({ next_verifier: verifier, next_password: password })
        .where('addon_id', '=', addonId)
        .where('access', '=', access)
        .execute();
    await sql
      .updateTable('app_ssh_key')
      .set({ next_public_key: key.publicKey, next_private_key: vault.seal(key.privateKey, keyPlace(addonId)) })
      .where('addon_id', '=', addonId)
      .execute();
  };
}

/** The credentials that the config vars should carry: the next ones as soon as there are some. Throws when there are none yet. */
export async function appCredentials(db: ControlDatabase, vault: Vault, addonId: string): Promise<AppCredentials> {
  const rows = await db.sql.selectFrom('app_role').selectAll().where('addon_id', '=', addonId).execute();
  const key = await db.sql.selectFrom('app_ssh_key').selectAll().where('addon_id', '=', addonId).executeTakeFirst();
  const role = (access: Access): AppRole => {
    const row = rows.find((candidate) => candidate.access === access);
    if (!row) throw new Error(`BUG: add-on ${addonId} has no ${access} role yet`);
    return { name: row.name, password: vault.open(row.next_password ?? row.password, passwordPlace(addonId, access)) };
  };
  if (!key) throw new Error(`BUG: add-on ${addonId} has no SSH key yet`);
  return {
    roles: { ro: role('ro'), rw: role('rw') },
    sshUsername: key.username,
    sshPrivateKey: vault.open(key.next_private_key ?? key.private_key, keyPlace(addonId)),
  };
}
