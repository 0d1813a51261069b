import type { GatewayRole, TunnelUser } from '@borealis/contract';
import type { ClusterAccess } from '@borealis/engine';
import type { Transaction } from '../database.js';
import type { CredentialKind } from '../schema.js';

/** An access document with the cluster that it is for. */
export interface AddressedAccess {
  clusterId: string;
  access: ClusterAccess;
}

/**
 * Writes the access document of an add-on from its rows, and from nothing else: one revision always means one document. Locks the
 * add-on's row, so that no change can fall between revision and rows. Null when the add-on is gone.
 */
export async function accessDocument(tx: Pick<Transaction, 'sql'>, addonId: string): Promise<AddressedAccess | null> {
  const addon = await tx.sql
    .selectFrom('addon')
    .select(['cluster_id', 'database_name', 'access_revision'])
    .where('id', '=', addonId)
    .forUpdate()
    .executeTakeFirst();
  if (!addon) return null;
  const app = await appAccess(tx, addonId, addon.database_name);
  const persons = await personalAccess(tx, addonId, addon.database_name, app.roles);
  return {
    clusterId: addon.cluster_id,
    access: {
      revision: addon.access_revision,
      databases: [{ name: addon.database_name, owner: app.owner }],
      roles: [...app.roles, ...persons.roles],
      tunnelUsers: [app.tunnelUser, ...persons.tunnelUsers],
    },
  };
}

async function appAccess(tx: Pick<Transaction, 'sql'>, addonId: string, database: string) {
  const rows = await tx.sql
    .selectFrom('app_role')
    .selectAll()
    .where('addon_id', '=', addonId)
    .orderBy('access', 'desc')
    .execute();
  const key = await tx.sql.selectFrom('app_ssh_key').selectAll().where('addon_id', '=', addonId).executeTakeFirst();
  const owner = rows.find((row) => row.access === 'rw')?.name;
  if (!key || !owner) throw new Error(`BUG: add-on ${addonId} has an access revision but no credentials`);
  const roles: GatewayRole[] = rows.map(({ name, verifier }) => ({
    name,
    database,
    verifiers: [verifier],
    validUntil: null,
  }));
  const tunnelUser: TunnelUser = {
    username: key.username,
    kind: 'app',
    // Not the name: it can change, and with it the document, without a new revision.
    label: addonId,
    publicKeys: [key.public_key],
    database,
    roles: roles.map((role) => role.name),
    validUntil: null,
  };
  return { owner, roles, tunnelUser };
}

/** The names that a person's credentials have, the same ones for life. */
export function personalName(suffix: string, kind: CredentialKind): string {
  return kind === 'ssh' ? `p-${suffix}` : `p_${kind}_${suffix}`;
}

async function personalAccess(
  tx: Pick<Transaction, 'sql'>,
  addonId: string,
  database: string,
  appRoles: GatewayRole[],
) {
  const rows = await tx.sql
    .selectFrom('personal_user as person')
    .innerJoin('personal_credential as credential', 'credential.personal_user_id', 'person.id')
    .select(['person.email', 'person.suffix', 'credential.kind', 'credential.proof', 'credential.valid_until'])
    .where('person.addon_id', '=', addonId)
    .orderBy('person.suffix')
    .orderBy('credential.kind')
    .execute();
  const roles: GatewayRole[] = [];
  const tunnelUsers: TunnelUser[] = [];
  for (const { email, suffix, kind, proof, valid_until } of rows) {
    const name = personalName(suffix, kind);
    const validUntil = valid_until.toISOString();
    // A role whose password has ended stays listed: it may own things and hold grants that its person comes back to.
    if (kind !== 'ssh') roles.push({ name, database, verifiers: proof ? [proof] : [], validUntil });
    else if (proof)
      tunnelUsers.push({
        username: name,
        kind: 'personal',
        label: email,
        publicKeys: [proof],
        database,
        // The app's roles too: the CLI's `run` enters with the app's password through the person's tunnel.
        roles: [...roles.filter((role) => role.name.endsWith(`_${suffix}`)), ...appRoles].map((role) => role.name),
        validUntil,
      });
  }
  return { roles, tunnelUsers };
}
