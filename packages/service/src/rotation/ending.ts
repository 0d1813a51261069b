import { keyFingerprint, verifierDigest } from '@borealis/contract';
import { go } from '@borealis/strands';
import type { ClientBase } from 'pg';
import { personalName } from '../access/access-document.js';
import { bumpRevision } from '../access/revision.js';
import { type Addon, lockAddon } from '../addons/addon-store.js';
import { type AddonWork, ownAddon } from '../addons/addon-work.js';
import { type ControlDatabase, queriesOn } from '../database.js';
import { recordEvent } from '../events/event-log.js';
import { findRotation, isOverdue, setRotation } from './rotation-store.js';

/** True when the overlap can end: nobody is in by other than the current credentials, or its longest time is over. */
export async function canEnd(work: AddonWork, id: string): Promise<boolean> {
  if ((await findRotation(work.db, id))?.state === 'ending' || (await isOverdue(work.db, id, work.rotation)))
    return true;
  const { fingerprints, verifierDigests } = await formerInUse(work, await ownAddon(work, id));
  return fingerprints.length === 0 && verifierDigests.length === 0;
}

/** After an engine that did not end them: meanwhile the add-on is served. */
const RETRY_SECONDS = 5;

/** Refuses the former credentials, ends what they opened, and forgets them, in this order. */
export async function endFormerCredentials(work: AddonWork, id: string) {
  const addon = await ownAddon(work, id);
  await work.db.transaction(async (tx) => {
    await lockAddon(tx, id);
    // `ending` is what leaves them out of the access document.
    if (await setRotation(tx, id, { state: 'ending' }, ['overlap'])) await bumpRevision(tx.sql, id);
  });
  const rotation = await findRotation(work.db, id);
  if (rotation?.state !== 'ending') return go('serve');
  try {
    await work.publisher.publishLatest(addon.cluster_id);
    const persons = rotation.kind === 'reset' ? await personalNames(work.db, id) : { tunnelUsers: [], roles: [] };
    const credentials = await formerInUse(work, addon);
    await work.engine.closeSessions(addon.cluster_id, { ...persons, credentials });
  } catch (error) {
    work.log.warn({ addon: id, err: error }, 'former credentials could not be ended yet');
    return go('serve', {}, async (client) => {
      await setRotation({ sql: queriesOn(client) }, id, { dueIn: RETRY_SECONDS }, ['ending']);
    });
  }
  return go('serve', {}, (client) => forgetFormer(client, id, work.rotation.every));
}

/** What the app's tunnels and sessions were opened by, other than by its current credentials. */
async function formerInUse({ db, engine }: AddonWork, addon: Addon) {
  const roles = await db.sql.selectFrom('app_role').selectAll().where('addon_id', '=', addon.id).execute();
  const key = await db.sql
    .selectFrom('app_ssh_key')
    .selectAll()
    .where('addon_id', '=', addon.id)
    .executeTakeFirstOrThrow();
  const current = new Map(roles.map((role) => [role.name, verifierDigest(role.verifier)]));
  const fingerprint = keyFingerprint(key.public_key);
  const { tunnels, sessions } = await engine.credentialUse(addon.cluster_id);
  const oldTunnels = tunnels.filter((t) => t.username === key.username && t.fingerprint !== fingerprint);
  const oldSessions = sessions.filter((s) => current.has(s.role) && current.get(s.role) !== s.verifierDigest);
  return {
    fingerprints: [...new Set(oldTunnels.map((tunnel) => tunnel.fingerprint))],
    verifierDigests: [...new Set(oldSessions.map((session) => session.verifierDigest))],
  };
}

async function personalNames(db: ControlDatabase, id: string) {
  const rows = await db.sql.selectFrom('personal_user').select('suffix').where('addon_id', '=', id).execute();
  return {
    tunnelUsers: rows.map(({ suffix }) => personalName(suffix, 'ssh')),
    roles: rows.flatMap(({ suffix }) => [personalName(suffix, 'ro'), personalName(suffix, 'rw')]),
  };
}

async function forgetFormer(client: ClientBase, id: string, every: number): Promise<void> {
  const db = queriesOn(client);
  await lockAddon({ sql: db }, id);
  const rotation = await findRotation({ sql: db }, id);
  if (rotation?.state !== 'ending') return;
  await setRotation({ sql: db }, id, { state: 'waiting', kind: 'rotation', dueIn: every });
  await db.updateTable('app_role').set({ former_verifier: null }).where('addon_id', '=', id).execute();
  await db.updateTable('app_ssh_key').set({ former_public_key: null }).where('addon_id', '=', id).execute();
  if (rotation.kind !== 'reset') return;
  await db
    .updateTable('addon')
    .set({ status: 'available' })
    .where('id', '=', id)
    .where('status', '=', 'maintenance-db-credentials-full-reset')
    .execute();
  await recordEvent(db, { addonId: id, type: 'db-credentials-full-reset' });
}
