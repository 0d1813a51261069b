import {
  clusterHosts,
  type DataIntegrations as DataIntegrationList,
  formatVerifier,
  makeVerifier,
  randomName,
  randomPassword,
  Secret,
} from '@borealis/contract';
import type { Engine, GatewayEndpoint } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import { sql } from 'kysely';
import type { AccessPublisher } from '../access/access-publisher.js';
import { bumpRevision } from '../access/revision.js';
import { type Addon, lockAddon } from '../addons/addon-store.js';
import { findCluster } from '../addons/cluster-store.js';
import { assertWriteAccess, lockChangeable } from '../addons/readiness.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { recordEvent } from '../events/event-log.js';
import type { Person } from '../platform/platform-api.js';
import type { Access } from '../schema.js';
import { closeIntegrations, forgetIntegrations, type Leaving } from './leaving.js';
import { checkPublicKey } from './public-key.js';

/** How many data integrations an add-on can have. */
export const INTEGRATION_LIMIT = 10;
const NAME = /^[a-z0-9_]{1,25}$/;

export interface IntegrationRequest {
  name: string;
  /** As the caller gave it: it is checked here. */
  publicKey: string;
  access: Access;
}

/** What a service outside needs to get in. The password is told here and never again. */
export interface RegisteredIntegration {
  gateway: GatewayEndpoint;
  username: string;
  host: string;
  port: number;
  database: string;
  role: string;
  password: Secret;
}

/** Services outside that an add-on's database is open to, each with a tunnel user and a role of its own. */
export class DataIntegrations {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
    private readonly publisher: AccessPublisher,
    private readonly strands: () => Strands,
  ) {}

  async list(addonId: string): Promise<DataIntegrationList['integrations']> {
    const rows = await this.db.sql
      .selectFrom('data_integration')
      .selectAll()
      .where('addon_id', '=', addonId)
      .orderBy('created_at')
      .orderBy('name')
      .execute();
    return rows.map(({ name, role, username, access, created_at }) => ({
      name,
      dbUsername: role,
      sshUsername: username,
      writeAccess: access === 'rw',
      createdAt: created_at.toISOString(),
    }));
  }

  /**
   * Lets a service in; returns when the gateway accepts it. Throws `integrationName`, `sshPublicKey`, `integrationLimit` or
   * `integrationExists`, having changed nothing. When it fails on the way, the same name can be registered again.
   */
  async register(addonId: string, person: Person, request: IntegrationRequest): Promise<RegisteredIntegration> {
    if (!NAME.test(request.name)) throw new AppError('integrationName');
    const publicKey = checkPublicKey(request.publicKey);
    const password = randomPassword();
    const verifier = formatVerifier(await makeVerifier(password));
    const made = await this.db.transaction((tx) => this.#add(tx, addonId, { ...request, publicKey, verifier }));
    await this.publisher.publishPatiently(made.addon.cluster_id, made.revision);
    const gateway = (await this.engine.cluster(made.addon.cluster_id))?.gateway;
    if (!gateway) throw new AppError('engineBusy');
    await this.db.transaction((tx) => confirm(tx, addonId, person, { ...request, username: made.username }));
    const { primary, replica, port } = clusterHosts(made.addon.cluster_id);
    const host = request.access === 'rw' ? primary : replica;
    const { username, role, addon } = made;
    return { gateway, username, host, port, database: addon.database_name, role, password: new Secret(password) };
  }

  /** Ends it: returns when nobody gets in by it any more and its sessions are closed. Throws `noIntegration`. */
  async remove(addonId: string, person: Person, name: string): Promise<void> {
    const { addon, leaving, revision } = await this.db.transaction(async (tx) => {
      const locked = await lockChangeable(tx, addonId);
      const row = await markLeaving(tx, addonId, person, name);
      if (!row) throw new AppError('noIntegration');
      await this.strands().signal(tx.client, addonId, 'access');
      return { addon: locked, leaving: row, revision: await bumpRevision(tx.sql, addonId) };
    });
    await this.publisher.publishPatiently(addon.cluster_id, revision);
    await closeIntegrations(this.engine, addon.cluster_id, [leaving]);
    await forgetIntegrations(this.db.sql, [leaving]);
  }

  async #add(tx: Transaction, addonId: string, wanted: NewIntegration) {
    const addon = await lockChangeable(tx, addonId);
    if (wanted.access === 'rw') assertWriteAccess(addon);
    await makeRoom(tx, addonId, wanted.name);
    const suffix = randomName(12);
    const row = {
      addon_id: addonId,
      name: wanted.name,
      access: wanted.access,
      role: await roleName(tx, addon, wanted, suffix),
      username: `di-${suffix}`,
      public_key: wanted.publicKey,
      verifier: wanted.verifier,
    };
    await tx.sql.insertInto('data_integration').values(row).execute();
    await this.strands().signal(tx.client, addonId, 'access');
    return { addon, username: row.username, role: row.role, revision: await bumpRevision(tx.sql, addonId) };
  }
}

interface NewIntegration extends IntegrationRequest {
  verifier: string;
}

/** A row that nobody was told of makes way; any other one keeps its name. */
async function makeRoom(tx: Transaction, addonId: string, name: string): Promise<void> {
  await tx.sql
    .deleteFrom('data_integration')
    .where('addon_id', '=', addonId)
    .where('name', '=', name)
    .where('registered_at', 'is', null)
    .where('leaving', '=', false)
    .execute();
  const rows = await tx.sql.selectFrom('data_integration').select('name').where('addon_id', '=', addonId).execute();
  if (rows.some((row) => row.name === name)) throw new AppError('integrationExists', { name });
  if (rows.length >= INTEGRATION_LIMIT) throw new AppError('integrationLimit', { limit: String(INTEGRATION_LIMIT) });
}

/** Tenants of a shared cluster see each other's role names, so these tell nothing there. */
async function roleName(tx: Transaction, addon: Addon, { access, name }: NewIntegration, suffix: string) {
  const cluster = await findCluster(tx, addon.cluster_id);
  return `di_${access}_${cluster?.tenancy === 'shared' ? suffix : name}`;
}

/** Throws `integrationExists` when the name was registered anew, or removed, while the gateway took this one over. */
async function confirm(
  tx: Transaction,
  addonId: string,
  { email }: Person,
  { name, access, username }: IntegrationRequest & { username: string },
): Promise<void> {
  await lockAddon(tx, addonId);
  const confirmed = await tx.sql
    .updateTable('data_integration')
    .set({ registered_at: sql<Date>`now()` })
    .where('username', '=', username)
    .where('leaving', '=', false)
    .executeTakeFirst();
  if (confirmed.numUpdatedRows === 0n) throw new AppError('integrationExists', { name });
  const attributes = { integration: name, write_access: access === 'rw', user: email };
  await recordEvent(tx.sql, { addonId, type: 'data-integration-registered', attributes });
}

async function markLeaving(tx: Transaction, addonId: string, person: Person, name: string): Promise<Leaving | null> {
  const ofName = tx.sql
    .selectFrom('data_integration')
    .select(['id', 'username', 'role', 'leaving'])
    .where('addon_id', '=', addonId)
    .where('name', '=', name);
  const row = await ofName.executeTakeFirst();
  if (!row) return null;
  if (!row.leaving) {
    await tx.sql.updateTable('data_integration').set({ leaving: true }).where('id', '=', row.id).execute();
    const attributes = { integration: name, user: person.email };
    await recordEvent(tx.sql, { addonId, type: 'data-integration-deregistered', attributes });
  }
  return row;
}
