import { go } from '@borealis/strands';
import { sql } from 'kysely';
import type { ClientBase } from 'pg';
import { bumpRevision } from '../access/revision.js';
import { lockAddon } from '../addons/addon-store.js';
import { type AddonWork, ownAddon } from '../addons/addon-work.js';
import { currentConfigVars } from '../addons/config-vars.js';
import { prepareNextCredentials } from '../addons/credentials.js';
import { queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { findRotation, setRotation } from './rotation-store.js';

/** After an engine that could not let the new credentials in, or a platform that did not take the new config vars. */
const RETRY_SECONDS = 60;

/**
 * Makes the app's next passwords and key. From here on both they and the current ones are let in: the platform may start dynos with
 * the new config vars before its answer reaches us. A reset ends at once what persons hold and what a rotation had left over.
 */
export async function makeNextCredentials(work: AddonWork, id: string) {
  const keep = await prepareNextCredentials(work.db, work.vault, id);
  return go('announceCredentials', {}, async (client) => {
    const db = queriesOn(client);
    await lockAddon({ sql: db }, id);
    const rotation = await findRotation({ sql: db }, id);
    if (rotation?.state !== 'requested' && rotation?.state !== 'waiting') return;
    await keep(client);
    if (rotation.kind === 'reset') await endAtOnce(client, id);
    await setRotation({ sql: db }, id, { state: 'announcing', dueIn: 0 });
    await bumpRevision(db, id);
  });
}

async function endAtOnce(client: ClientBase, id: string): Promise<void> {
  const db = queriesOn(client);
  await db.updateTable('app_role').set({ former_verifier: null }).where('addon_id', '=', id).execute();
  await db.updateTable('app_ssh_key').set({ former_public_key: null }).where('addon_id', '=', id).execute();
  await db
    .updateTable('personal_credential')
    .set({ proof: null })
    .where('personal_user_id', 'in', (e) => e.selectFrom('personal_user').select('id').where('addon_id', '=', id))
    .execute();
}

/** Puts the next credentials into the config vars. Whatever fails is tried again later; both sets stay live, and the add-on is served. */
export async function announceCredentials(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  const rotation = await findRotation(work.db, id);
  if (rotation?.state !== 'announcing') return go('serve');
  try {
    await work.publisher.publishLatest(addon.cluster_id);
    const vars = await currentConfigVars(work, addon);
    await work.grants.call(id, (token) => work.platform.patchConfig(token, id, vars));
  } catch (error) {
    work.log.warn({ addon: id, err: error }, 'renewed credentials could not be announced yet; the old ones stay');
    return go('serve', {}, async (client) => {
      await setRotation({ sql: queriesOn(client) }, id, { dueIn: RETRY_SECONDS }, ['announcing']);
    });
  }
  const isReset = rotation.kind === 'reset';
  return go(isReset ? 'endFormerCredentials' : 'serve', {}, (client) => takeOver(client, id, isReset));
}

/** The next credentials become the current ones, and those the former. */
async function takeOver(client: ClientBase, id: string, isReset: boolean): Promise<void> {
  const db = queriesOn(client);
  await lockAddon({ sql: db }, id);
  const state = isReset ? 'ending' : 'overlap';
  if (!(await setRotation({ sql: db }, id, { state, announced: true }, ['announcing']))) return;
  await db
    .updateTable('app_role')
    .set({
      former_verifier: sql<string>`verifier`,
      verifier: sql<string>`next_verifier`,
      password: sql<Buffer>`next_password`,
      ...{ next_verifier: null, next_password: null },
    })
    .where('addon_id', '=', id)
    .execute();
  await db
    .updateTable('app_ssh_key')
    .set({
      former_public_key: sql<string>`public_key`,
      public_key: sql<string>`next_public_key`,
      private_key: sql<Buffer>`next_private_key`,
      ...{ next_public_key: null, next_private_key: null },
    })
    .where('addon_id', '=', id)
    .execute();
  if (!isReset) await recordEvent(db, { addonId: id, type: 'client-app-credentials-auto-rotated' });
  await bumpRevision(db, id);
}
