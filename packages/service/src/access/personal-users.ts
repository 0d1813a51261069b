import {
  clusterHosts,
  formatVerifier,
  makeSshKeyPair,
  makeVerifier,
  randomName,
  randomPassword,
  Secret,
} from '@borealis/contract';
import type { Engine, GatewayEndpoint } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import { sql } from 'kysely';
import { assertWriteAccess, lockChangeable } from '../addons/readiness.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { recordEvent } from '../events/event-log.js';
import type { Person } from '../platform/platform-api.js';
import type { Access, CredentialKind } from '../schema.js';
import { personalName } from './access-document.js';
import type { AccessPublisher } from './access-publisher.js';
import { bumpRevision } from './revision.js';

/** How long a person's credentials are valid at the most. */
export const PERSONAL_HOURS = 12;

export interface IssuedSshUser {
  gateway: GatewayEndpoint;
  username: string;
  privateKey: Secret;
}

export interface IssuedDbUser {
  host: string;
  port: number;
  database: string;
  username: string;
  password: Secret;
}

/** Gives persons the keys and passwords of one session. Whatever was issued before for the same purpose ends with the call. */
export class PersonalUsers {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
    private readonly publisher: AccessPublisher,
    private readonly strands: () => Strands,
  ) {}

  /** A new key for the person's tunnel; returns when the gateway accepts it. */
  async issueSshUser(addonId: string, person: Person): Promise<IssuedSshUser> {
    const key = makeSshKeyPair();
    const { addon, name } = await this.#issue(addonId, person, 'ssh', key.publicKey);
    const gateway = (await this.engine.cluster(addon.cluster_id))?.gateway;
    if (!gateway) throw new AppError('engineBusy');
    return { gateway, username: name, privateKey: key.privateKey };
  }

  /** A new password for the person's role; returns when the gateway accepts it. */
  async issueDbUser(addonId: string, person: Person, access: Access): Promise<IssuedDbUser> {
    const password = randomPassword();
    const verifier = formatVerifier(await makeVerifier(password));
    const { addon, name } = await this.#issue(addonId, person, access, verifier);
    const { primary, replica, port } = clusterHosts(addon.cluster_id);
    return {
      host: access === 'rw' ? primary : replica,
      port,
      database: addon.database_name,
      username: name,
      password: new Secret(password),
    };
  }

  async #issue(addonId: string, person: Person, kind: CredentialKind, proof: string) {
    const issued = await this.db.transaction(async (tx) => {
      const addon = await lockChangeable(tx, addonId);
      if (kind === 'rw') assertWriteAccess(addon);
      const user = await adoptPerson(tx, addonId, person);
      const isNew = await replaceProof(tx, user.id, kind, proof);
      const type = eventType(kind, isNew);
      await recordEvent(tx.sql, { addonId, type, attributes: { user: person.email } });
      await this.strands().signal(tx.client, addonId, 'access');
      const revision = await bumpRevision(tx.sql, addonId);
      return { addon, name: personalName(user.suffix, kind), revision };
    });
    await this.publisher.publishPatiently(issued.addon.cluster_id, issued.revision);
    return issued;
  }
}

function adoptPerson(tx: Transaction, addonId: string, { id, email }: Person) {
  return tx.sql
    .insertInto('personal_user')
    .values({ addon_id: addonId, platform_user_id: id, email, suffix: randomName(12) })
    .onConflict((conflict) => conflict.columns(['addon_id', 'platform_user_id']).doUpdateSet({ email }))
    .returning(['id', 'suffix'])
    .executeTakeFirstOrThrow();
}

/** True when the person had no credential of this kind before. A database password also ends the one of the other access. */
async function replaceProof(tx: Transaction, userId: string, kind: CredentialKind, proof: string): Promise<boolean> {
  const limit = sql<Date>`now() + ${PERSONAL_HOURS} * interval '1 hour'`;
  const credential = { proof, valid_until: limit, hard_limit: limit };
  const before = await tx.sql
    .selectFrom('personal_credential')
    .select('kind')
    .where('personal_user_id', '=', userId)
    .where('kind', '=', kind)
    .executeTakeFirst();
  await tx.sql
    .insertInto('personal_credential')
    .values({ personal_user_id: userId, kind, ...credential })
    .onConflict((conflict) => conflict.columns(['personal_user_id', 'kind']).doUpdateSet(credential))
    .execute();
  if (kind !== 'ssh')
    await tx.sql
      .updateTable('personal_credential')
      .set({ proof: null })
      .where('personal_user_id', '=', userId)
      .where('kind', '=', kind === 'ro' ? 'rw' : 'ro')
      .execute();
  return !before;
}

function eventType(kind: CredentialKind, isNew: boolean) {
  if (kind === 'ssh') return 'personal-ssh-user-configured';
  return isNew ? 'personal-db-user-created' : 'personal-db-password-rotated';
}
