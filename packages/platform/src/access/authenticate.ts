import type { FastifyRequest } from 'fastify';
import type { Platform } from '../context.js';
import { ApiError, forbidden } from '../errors.js';
import { hashToken } from '../tokens.js';
import type { Principal, UserPrincipal } from './principal.js';
import { allows, type Scope } from './scopes.js';

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** What a token must be allowed; by default `read` for GET and `write` for the rest. */
    scope?: Scope;
    /** Open to an add-on's maker too. */
    partner?: boolean;
  }
}

/** The principal of a live token, or null. */
export function principalOf(platform: Platform, token: string): Principal | null {
  const hash = hashToken(token);
  const authorization = platform.store.find('authorizations', (row) => row.tokenHash === hash);
  if (authorization) {
    const user = platform.store.get('users', authorization.userId);
    if (!user || expired(authorization.expiresAt, platform.now())) return null;
    return { kind: 'user', user, authorization, token };
  }
  const addonToken = platform.store.get('addonTokens', hash);
  if (addonToken?.use !== 'access' || expired(addonToken.expiresAt, platform.now())) return null;
  return { kind: 'addon', addonId: addonToken.addonId };
}

function expired(at: number | null, now: number): boolean {
  return at !== null && at <= now;
}

/** Sets `request.principal`, or refuses the request: 401 for a bad token, 403 for one that may not do this. */
export function authenticate(platform: Platform, request: FastifyRequest): void {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const principal = token ? principalOf(platform, token) : null;
  if (!principal) throw new ApiError(401, 'unauthorized', 'Invalid credentials provided.');
  const { scope = request.method === 'GET' ? 'read' : 'write', partner = false } = request.routeOptions.config;
  if (principal.kind === 'addon' && !partner)
    throw forbidden('The token of an add-on may only be used for that add-on.');
  if (principal.kind === 'user' && !allows(principal.authorization.scope, scope))
    throw forbidden(`This token does not have the scope "${scope}" that this needs.`);
  request.principal = principal;
}

/** The person behind a request to a route that is not open to add-ons. */
export function person(request: FastifyRequest): UserPrincipal {
  if (request.principal?.kind !== 'user') throw forbidden('Only a user may do this.');
  return request.principal;
}
