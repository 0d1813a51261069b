import { POSTGRES_MAJORS, type PostgresMajor, type ProvisionRequest, Secret } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { ControlDatabase, Transaction } from '../database.js';
import { AppError } from '../errors.js';
import { recordEvent } from '../events/event-log.js';
import type { OauthGrants } from '../platform/oauth-grants.js';
import type { Copies } from '../restore/copies.js';
import type { Vault } from '../vault.js';
import type { AddonStrand } from './addon.strand.js';
import { findAddon, insertAddon } from './addon-store.js';
import { allotLocalPorts } from './local-ports.js';
import { checkRequest, REGIONS } from './provision-request.js';

interface Parts {
  db: ControlDatabase;
  vault: Vault;
  engine: Engine;
  grants: OauthGrants;
  strands: Strands;
  addonStrand: AddonStrand;
  copies: Copies;
  regions: readonly string[] | undefined;
  log: Logger;
}

const READY = 'The config vars are set when it is ready.';
const MESSAGE = `Your isolated PostgreSQL cluster is being created. ${READY}`;
const COPY_MESSAGE = `Your isolated PostgreSQL cluster is being created as a copy of another. ${READY}`;

/** What the platform may ask about an add-on; every request may be repeated, also while its first copy is still being served. */
export class AddonRequests {
  constructor(private readonly parts: Parts) {}

  /** Takes the add-on on: its row and its strand, together or not at all. The same id always gets the same answer. */
  async provision(asked: ProvisionRequest): Promise<{ id: string; message: string }> {
    const request = { ...asked, uuid: asked.uuid.toLowerCase() };
    const answer = { id: request.uuid, message: request.options?.['restore-token'] ? COPY_MESSAGE : MESSAGE };
    if (!(await findAddon(this.parts.db, request.uuid))) await this.#add(request);
    else await this.#renewGrant(request);
    return answer;
  }

  async #add(request: ProvisionRequest): Promise<void> {
    const { db, vault, grants, strands, addonStrand, copies, regions = REGIONS } = this.parts;
    const copy = await copies.find(request);
    const checked = checkRequest(request, { majors: await this.#majors(), regions }, copy?.source);
    if (copy) await copies.check(copy, checked.plan);
    const logInputUrl = request.log_input_url ? new Secret(request.log_input_url) : null;
    await db.transaction(async (tx) => {
      await lockId(tx, request.uuid);
      const addon = { id: request.uuid, name: request.name, logInputUrl, ...checked };
      if (!(await insertAddon(tx, vault, addon))) return;
      await refuseDestroyed(tx, addon.id);
      await allotLocalPorts(tx, addon.id);
      if (copy) await copies.take(tx, copy, addon);
      await grants.keepCode(tx, addon.id, codeOf(request));
      await recordEvent(tx.sql, {
        addonId: addon.id,
        type: 'addon-requested',
        attributes: { plan: checked.plan.name },
      });
      await strands.spawn(tx.client, addonStrand, addon.id, {});
    });
  }

  /** A repeated request may carry a new code: the way back for an add-on whose authorization is dead. */
  async #renewGrant(request: ProvisionRequest): Promise<void> {
    const { db, grants, strands } = this.parts;
    const code = codeOf(request);
    if (!code) return;
    await db.transaction(async (tx) => {
      if (await grants.keepCode(tx, request.uuid, code)) await strands.signal(tx.client, request.uuid, 'grant');
    });
  }

  /** Starts the removal, wherever the provisioning stands. Throws `gone` when it was asked for before or there is no such add-on. */
  async deprovision(id: string): Promise<void> {
    const { db, strands } = this.parts;
    const isTaken = await db.transaction(async (tx) => {
      await lockId(tx, id);
      const marked = await tx.sql
        .updateTable('addon')
        .set({ destroy_requested_at: sql<Date>`now()` })
        .where('id', '=', id)
        .where('destroy_requested_at', 'is', null)
        .executeTakeFirst();
      if (marked.numUpdatedRows === 0n) {
        await recordRefusal(tx, id);
        return false;
      }
      await recordEvent(tx.sql, { addonId: id, type: 'addon-destroy-requested' });
      await strands.signal(tx.client, id, 'destroy');
      return true;
    });
    if (!isTaken) throw new AppError('gone');
  }

  /** An engine that cannot say what it has must not keep requests from being taken: the strand waits for it. */
  async #majors(): Promise<readonly PostgresMajor[]> {
    try {
      return (await this.parts.engine.releases()).map((offer) => offer.major);
    } catch (error) {
      this.parts.log.warn({ err: error }, 'the engine cannot tell which releases it has');
      return POSTGRES_MAJORS;
    }
  }
}

function codeOf({ oauth_grant }: ProvisionRequest): Secret | null {
  return oauth_grant ? new Secret(oauth_grant.code) : null;
}

/** Until the transaction ends: provision and deprovision of one id happen in one order, also before there is a row to lock. */
async function lockId(tx: Transaction, id: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${id}, 0))`.execute(tx.sql);
}

/** The platform forgets what it was told to be gone, so a provision request that is still on its way must find this and not an empty place. */
async function recordRefusal(tx: Transaction, id: string): Promise<void> {
  if (await findAddon(tx, id)) return;
  await tx.sql
    .insertInto('event')
    .values({ addon_id: id, type: 'addon-destroyed', attributes: '{}', dedup_key: `${id}/destroyed` })
    .onConflict((conflict) => conflict.column('dedup_key').doNothing())
    .execute();
}

/** A late copy of a request must not bring back what has been destroyed since. */
async function refuseDestroyed(tx: Transaction, id: string): Promise<void> {
  const destroyed = await tx.sql
    .selectFrom('event')
    .select('id')
    .where('addon_id', '=', id)
    .where('type', '=', 'addon-destroyed')
    .executeTakeFirst();
  if (destroyed) throw new AppError('destroyed');
}
