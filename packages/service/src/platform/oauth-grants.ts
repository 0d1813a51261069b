import type { Secret } from '@borealis/contract';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { ControlDatabase, Transaction } from '../database.js';
import type { Vault } from '../vault.js';
import type { OauthTokens, PlatformApi } from './platform-api.js';
import { PlatformRefused } from './platform-http.js';

/** The platform takes our authorization for this add-on no longer. Callbacks wait; the database goes on. */
export class GrantDead extends Error {
  override name = 'GrantDead';
  readonly retryable = false;

  constructor() {
    super('The platform no longer accepts the authorization for this add-on.');
  }
}

type TokenColumn = 'grant_code' | 'access_token' | 'refresh_token';
const place = (row: string, column: TokenColumn) => ({ table: 'oauth_token', row, column });

/** An access token is renewed when it has less than this left. */
const MARGIN_SECONDS = 300;
/** A refused authorization is tried again after this: the refusal may have been a mistake of ours or theirs. */
const RETRY_DEAD_SECONDS = 600;

/** The authorizations that the platform gave us, one per add-on: kept encrypted, refreshed by one caller at a time. */
export class OauthGrants {
  readonly #renewals = new Map<string, Promise<Secret>>();

  constructor(
    private readonly db: ControlDatabase,
    private readonly vault: Vault,
    private readonly platform: PlatformApi,
    private readonly log: Logger,
  ) {}

  /** Keeps the code of a provision request, also in place of a dead authorization. True when it was new to us. */
  async keepCode(tx: Transaction, addonId: string, code: Secret | null): Promise<boolean> {
    const row = {
      addon_id: addonId,
      state: code ? ('granted' as const) : ('dead' as const),
      grant_code: code && this.vault.seal(code, place(addonId, 'grant_code')),
      dead_since: code ? null : new Date(),
    };
    const insert = tx.sql.insertInto('oauth_token').values(row);
    const replace = { state: row.state, grant_code: row.grant_code, dead_since: null };
    const result = await insert
      .onConflict((conflict) =>
        code
          ? conflict.column('addon_id').doUpdateSet(replace).where('oauth_token.state', '=', 'dead')
          : conflict.column('addon_id').doNothing(),
      )
      .executeTakeFirst();
    return result.numInsertedOrUpdatedRows === 1n;
  }

  /** Exchanges a code that waits. Afterwards the authorization is live, or dead and told to the operator. */
  async exchange(addonId: string): Promise<void> {
    const row = await this.#row(addonId);
    if (row?.state !== 'granted' || !row.grant_code) return;
    const code = this.vault.open(row.grant_code, place(addonId, 'grant_code'));
    try {
      await this.#keepTokens(addonId, await this.platform.exchangeCode(code));
    } catch (error) {
      await this.#buryIfRefused(addonId, error, ['granted']);
    }
  }

  /** Runs a callback with a valid token, renewing it once when the platform refuses it. Throws `GrantDead` when that fails too. */
  async call<T>(addonId: string, work: (token: Secret) => Promise<T>): Promise<T> {
    const token = await this.#accessToken(addonId);
    try {
      return await work(token);
    } catch (error) {
      if (!(error instanceof PlatformRefused) || error.status !== 401) throw error;
      return await work(await this.#renew(addonId));
    }
  }

  async #accessToken(addonId: string): Promise<Secret> {
    const row = await this.#row(addonId);
    if (row?.state === 'live' && row.fresh && row.access_token)
      return this.vault.open(row.access_token, place(addonId, 'access_token'));
    if (!row?.refresh_token || (row.state === 'dead' && row.just_died)) throw new GrantDead();
    return this.#renew(addonId);
  }

  #renew(addonId: string): Promise<Secret> {
    const running = this.#renewals.get(addonId);
    if (running !== undefined) return running;
    const renewal = this.#refresh(addonId).finally(() => this.#renewals.delete(addonId));
    this.#renewals.set(addonId, renewal);
    return renewal;
  }

  async #refresh(addonId: string): Promise<Secret> {
    const row = await this.#row(addonId);
    if (!row?.refresh_token) throw new GrantDead();
    const refreshToken = this.vault.open(row.refresh_token, place(addonId, 'refresh_token'));
    try {
      const tokens = await this.platform.refresh(refreshToken);
      await this.#keepTokens(addonId, tokens);
      return tokens.accessToken;
    } catch (error) {
      // Not a code that came meanwhile: it has nothing to do with the old token.
      await this.#buryIfRefused(addonId, error, ['live', 'dead']);
      throw new GrantDead();
    }
  }

  #row(addonId: string) {
    return this.db.sql
      .selectFrom('oauth_token')
      .selectAll()
      .select([
        sql<boolean>`coalesce(expires_at > now() + ${MARGIN_SECONDS} * interval '1 second', false)`.as('fresh'),
        sql<boolean>`coalesce(dead_since > now() - ${RETRY_DEAD_SECONDS} * interval '1 second', false)`.as('just_died'),
      ])
      .where('addon_id', '=', addonId)
      .executeTakeFirst();
  }

  async #keepTokens(addonId: string, tokens: OauthTokens): Promise<void> {
    await this.db.sql
      .updateTable('oauth_token')
      .set({
        state: 'live',
        grant_code: null,
        access_token: this.vault.seal(tokens.accessToken, place(addonId, 'access_token')),
        refresh_token: this.vault.seal(tokens.refreshToken, place(addonId, 'refresh_token')),
        expires_at: sql<Date>`now() + ${tokens.expiresInSeconds} * interval '1 second'`,
        dead_since: null,
      })
      .where('addon_id', '=', addonId)
      .execute();
  }

  async #buryIfRefused(addonId: string, error: unknown, states: ('granted' | 'live' | 'dead')[]): Promise<void> {
    if (!(error instanceof PlatformRefused)) throw error;
    await this.db.sql
      .updateTable('oauth_token')
      .set({ state: 'dead', grant_code: null, dead_since: sql<Date>`now()` })
      .where('addon_id', '=', addonId)
      .where('state', 'in', states)
      .execute();
    this.log.error({ alarm: 'grant-dead', addon: addonId, status: error.status }, error.message);
  }
}
