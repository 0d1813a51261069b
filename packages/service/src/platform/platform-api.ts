import {
  oauthTokenAnswer,
  type PlatformAddon,
  type PlatformApp,
  platformAccount,
  platformAddon,
  platformApp,
  Secret,
} from '@borealis/contract';
import type { z } from 'zod';
import type { ConfigVar } from '../addons/config-vars.js';
import { PlatformUnavailable, platformRequest } from './platform-http.js';

/** A person as the platform knows him. */
export interface Person {
  id: string;
  email: string;
}

export interface OauthTokens {
  accessToken: Secret;
  refreshToken: Secret;
  expiresInSeconds: number;
}

const ACCEPT = 'application/vnd.heroku+json; version=3';

/** The few calls that the service makes to the platform, each under the token that it is given. */
export class PlatformApi {
  constructor(
    private readonly baseUrl: string,
    private readonly clientSecret: Secret,
  ) {}

  /** Exchanges the code of a provision request; a code works once. */
  exchangeCode(code: Secret): Promise<OauthTokens> {
    return this.#token('exchange an authorization code', { grant_type: 'authorization_code', code: code.reveal() });
  }

  refresh(refreshToken: Secret): Promise<OauthTokens> {
    return this.#token('refresh an authorization', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken.reveal(),
    });
  }

  /** The add-on by id or name, as far as the token's owner may see it. */
  async addon(token: Secret, idOrName: string): Promise<PlatformAddon> {
    const path = `/addons/${encodeURIComponent(idOrName)}`;
    return expect(platformAddon, await this.#api('look up an add-on', token, 'GET', path));
  }

  /** An app that the add-on of the token is attached to. */
  async app(token: Secret, id: string): Promise<PlatformApp> {
    const path = `/apps/${encodeURIComponent(id)}`;
    return expect(platformApp, await this.#api('look up an app', token, 'GET', path));
  }

  async account(token: Secret): Promise<Person> {
    const { id, email } = expect(platformAccount, await this.#api('name an account', token, 'GET', '/account'));
    return { id, email };
  }

  /** Sets config vars; the rest of them stay. */
  async patchConfig(token: Secret, addonId: string, vars: readonly ConfigVar[]): Promise<void> {
    const config = vars.map(({ name, value }) => ({ name, value: value.reveal() }));
    await this.#api('set config vars', token, 'PATCH', `/addons/${addonId}/config`, { config });
  }

  async markProvisioned(token: Secret, addonId: string): Promise<void> {
    await this.#api('mark an add-on as provisioned', token, 'POST', `/addons/${addonId}/actions/provision`);
  }

  /** Gives the add-on up: the platform forgets it, with every token for it. */
  async markDeprovisioned(token: Secret, addonId: string): Promise<void> {
    await this.#api('remove an add-on', token, 'POST', `/addons/${addonId}/actions/deprovision`);
  }

  #api(what: string, token: Secret, method: string, path: string, body?: unknown): Promise<unknown> {
    const headers: Record<string, string> = { accept: ACCEPT, authorization: `Bearer ${token.reveal()}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    return platformRequest(what, `${this.baseUrl}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  async #token(what: string, form: Record<string, string>): Promise<OauthTokens> {
    const body = new URLSearchParams({ ...form, client_secret: this.clientSecret.reveal() });
    const answer = await platformRequest(what, `${this.baseUrl}/oauth/token`, { method: 'POST', body });
    const tokens = expect(oauthTokenAnswer, answer);
    return {
      accessToken: new Secret(tokens.access_token),
      refreshToken: new Secret(tokens.refresh_token),
      expiresInSeconds: tokens.expires_in,
    };
  }
}

// An answer of another shape comes from a proxy or a broken deploy: worth another try, and its content is not for logs.
function expect<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw new PlatformUnavailable('The platform answered something that is not understood.');
  return parsed.data;
}
