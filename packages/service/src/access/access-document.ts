import { createHash } from 'node:crypto';
import type { GatewayRole, TunnelUser } from '@borealis/contract';
import type { ClusterAccess, DatabaseSpec } from '@borealis/engine';
import { type Selectable, sql } from 'kysely';
import type { Transaction } from '../database.js';
import type { ClusterTable, CredentialKind } from '../schema.js';

type Queries = Pick<Transaction, 'sql'>;

/** The part of one add-on in its cluster's access document. */
interface AddonAccess {
  database: DatabaseSpec;
  roles: GatewayRole[];
  tunnelUsers: TunnelUser[];
}

/**
 * Writes the access document of a cluster from the rows of its add-ons, and from nothing else: one revision always means one
 * document, also when another version of this program wrote it. Locks the cluster's row, so that no change can be committed between
 * revision and rows. Null when the cluster is gone.
 */
export async function accessDocument(tx: Queries, clusterId: string): Promise<ClusterAccess | null> {
  const cluster = await tx.sql
    .selectFrom('cluster')
    .select(['access_revision', 'document_revision', 'document_digest'])
    .where('id', '=', clusterId)
    .forUpdate()
    .executeTakeFirst();
  if (!cluster) return null;
  const parts = await appAccess(tx, clusterId);
  await addPersonalAccess(tx, clusterId, parts);
  await addIntegrationAccess(tx, clusterId, parts);
  await closeArriving(tx, clusterId, parts);
  const all = [...parts.values()];
  const content = {
    databases: all.map((part) => part.database),
    roles: all.flatMap((part) => part.roles),
    tunnelUsers: all.flatMap((part) => part.tunnelUsers),
  };
  return { revision: await revisionOf(tx, clusterId, cluster, content), ...content };
}

/** The revision for this content: the next one when the newest was written with another content before. */
async function revisionOf(
  tx: Queries,
  clusterId: string,
  cluster: Pick<Selectable<ClusterTable>, 'access_revision' | 'document_revision' | 'document_digest'>,
  content: Omit<ClusterAccess, 'revision'>,
): Promise<number> {
  const digest = createHash('sha256').update(JSON.stringify(content)).digest();
  const isWritten = cluster.document_revision === cluster.access_revision;
  if (isWritten && cluster.document_digest?.equals(digest)) return cluster.access_revision;
  const revision = cluster.access_revision + (isWritten ? 1 : 0);
  await tx.sql
    .updateTable('cluster')
    .set({ access_revision: revision, document_revision: revision, document_digest: digest })
    .where('id', '=', clusterId)
    .execute();
  return revision;
}

/** The part of each add-on that has credentials, by its id: the app's own roles and key. */
async function appAccess(tx: Queries, clusterId: string): Promise<Map<string, AddonAccess>> {
  const rows = await tx.sql
    .selectFrom('addon')
    .innerJoin('app_ssh_key as key', 'key.addon_id', 'addon.id')
    .innerJoin('app_role as role', 'role.addon_id', 'addon.id')
    .leftJoin('rotation', 'rotation.addon_id', 'addon.id')
    .leftJoin('plan_change as change', 'change.addon_id', 'addon.id')
    .select(['addon.id', 'addon.cluster_id', 'addon.database_name', 'addon.write_revoked'])
    .select(['rotation.state', 'role.access', 'role.name', 'change.state as crossing'])
    .select(['role.verifier', 'role.next_verifier', 'role.former_verifier'])
    .select(['key.username', 'key.public_key', 'key.next_public_key', 'key.former_public_key'])
    .where(isIn(clusterId))
    .where('addon.evicted', '=', false)
    .orderBy('addon.id')
    .orderBy('role.access', 'desc')
    .execute();
  const parts = new Map<string, AddonAccess>();
  for (const { id, database_name: database, name, state, username, ...row } of rows) {
    const beside = <T>(next: T | null, former: T | null) => next ?? (state === 'overlap' ? former : null);
    const publicKeys = both(row.public_key, beside(row.next_public_key, row.former_public_key));
    const verifiers = both(row.verifier, beside(row.next_verifier, row.former_verifier));
    // The first row is the writer's: it owns the database.
    const spec = { name: database, owner: name, restricted: isRestricted(row, clusterId) };
    const part = parts.get(id) ?? newPart(id, spec, { username, publicKeys });
    part.roles.push({ name, database, verifiers, validUntil: null });
    part.tunnelUsers[0]!.roles.push(name);
    parts.set(id, part);
  }
  return parts;
}

/** Of its own cluster, or on its way to this one. */
const isIn = (clusterId: string) => sql<boolean>`(addon.cluster_id = ${clusterId} or ${isArriving(clusterId)})`;

const isArriving = (clusterId: string) => sql<boolean>`exists (
  select from plan_change coming where coming.addon_id = addon.id and addon.cluster_id <> ${clusterId}
  and coming.other_cluster_id = ${clusterId} and coming.state in ('making', 'copying'))`;

interface Whereabouts {
  cluster_id: string;
  write_revoked: boolean;
  crossing: string | null;
}

/** While its data is copied a database can only be read; where the copy is made it can be written to. */
function isRestricted({ cluster_id, write_revoked, crossing }: Whereabouts, clusterId: string): boolean {
  return cluster_id === clusterId && (write_revoked || crossing === 'copying');
}

/** Nobody is let in where the data is not complete yet. */
async function closeArriving(tx: Queries, clusterId: string, parts: Map<string, AddonAccess>): Promise<void> {
  const arriving = await tx.sql.selectFrom('addon').select('addon.id').where(isArriving(clusterId)).execute();
  for (const { id } of arriving) parts.get(id)?.tunnelUsers.splice(0);
}

const both = (current: string, other: string | null) => (other === null ? [current] : [current, other]);

function newPart(id: string, database: DatabaseSpec, key: Pick<TunnelUser, 'username' | 'publicKeys'>): AddonAccess {
  // The label is not the name: that can change, and with it the document, without a new revision.
  const app: TunnelUser = { ...key, kind: 'app', label: id, database: database.name, roles: [], validUntil: null };
  return { database, roles: [], tunnelUsers: [app] };
}

/** The names that a person's credentials have, the same ones for life. */
export function personalName(suffix: string, kind: CredentialKind): string {
  return kind === 'ssh' ? `p-${suffix}` : `p_${kind}_${suffix}`;
}

async function addPersonalAccess(tx: Queries, clusterId: string, parts: Map<string, AddonAccess>): Promise<void> {
  const rows = await tx.sql
    .selectFrom('addon')
    .innerJoin('personal_user as person', 'person.addon_id', 'addon.id')
    .innerJoin('personal_credential as credential', 'credential.personal_user_id', 'person.id')
    .select(['addon.id', 'person.email', 'person.suffix', 'credential.kind', 'credential.proof'])
    .select('credential.valid_until')
    .where(isIn(clusterId))
    .orderBy('person.suffix')
    // Roles come before the key that reaches them.
    .orderBy('credential.kind')
    .execute();
  for (const { id, email, suffix, kind, proof, valid_until } of rows) {
    const part = parts.get(id);
    if (!part) continue;
    const { name: database } = part.database;
    const name = personalName(suffix, kind);
    const validUntil = valid_until.toISOString();
    // A role whose password has ended stays listed: it may own things and hold grants that its person comes back to.
    if (kind !== 'ssh') part.roles.push({ name, database, verifiers: proof ? [proof] : [], validUntil });
    else if (proof) {
      // The app's roles too: the CLI's `run` enters with the app's password through the person's tunnel.
      const app = part.tunnelUsers[0]!.roles;
      const own = part.roles.map((role) => role.name).filter((role) => role.endsWith(`_${suffix}`));
      const roles = [...own, ...app];
      part.tunnelUsers.push({
        username: name,
        kind: 'personal',
        label: email,
        publicKeys: [proof],
        database,
        roles,
        validUntil,
      });
    }
  }
}

async function addIntegrationAccess(tx: Queries, clusterId: string, parts: Map<string, AddonAccess>): Promise<void> {
  const rows = await tx.sql
    .selectFrom('addon')
    .innerJoin('data_integration as integration', 'integration.addon_id', 'addon.id')
    .select(['addon.id', 'integration.name', 'integration.role', 'integration.username'])
    .select(['integration.public_key', 'integration.verifier'])
    .where(isIn(clusterId))
    .where('integration.leaving', '=', false)
    .orderBy('integration.username')
    .execute();
  for (const { id, name, role, username, public_key, verifier } of rows) {
    const part = parts.get(id);
    if (!part) continue;
    const { name: database } = part.database;
    part.roles.push({ name: role, database, verifiers: [verifier], validUntil: null });
    part.tunnelUsers.push({
      username,
      kind: 'integration',
      label: name,
      publicKeys: [public_key],
      database,
      roles: [role],
      validUntil: null,
    });
  }
}
