import { readFileSync } from 'node:fs';
import { SERVICE_SLUG, TUNNEL_HOST } from '@borealis/contract';
import { CLIError } from '@oclif/core/errors';

/** Everything the plugin reads from the environment. */

/** The add-on service's slug; `BOREALIS_PG_ADDON_SERVICE_NAME` replaces it. */
export function serviceSlug(): string {
  return process.env.BOREALIS_PG_ADDON_SERVICE_NAME || SERVICE_SLUG;
}

/** Where the add-on API is, without a slash at the end; `BOREALIS_PG_API_BASE_URL` replaces it. Throws on another scheme than HTTP. */
export function apiBaseUrl(): string {
  const text = process.env.BOREALIS_PG_API_BASE_URL || 'https://pg-heroku-addon-api.borealis-data.com';
  const scheme = URL.canParse(text) ? new URL(text).protocol : '';
  if (scheme !== 'https:' && scheme !== 'http:')
    throw new CLIError('BOREALIS_PG_API_BASE_URL must be a URL that starts with https:// or http://');
  return text.replace(/\/+$/, '');
}

/** The name that database URLs have for the local end of a tunnel; `BOREALIS_TUNNEL_HOST` replaces it. */
export function tunnelHost(): string {
  return process.env.BOREALIS_TUNNEL_HOST || TUNNEL_HOST;
}

/** The certificate authority of `BOREALIS_CA_FILE` in PEM, for services that do not send theirs. Throws when the file cannot be read. */
export function configuredCa(): string | undefined {
  const file = process.env.BOREALIS_CA_FILE;
  if (!file) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CLIError(`BOREALIS_CA_FILE cannot be read: ${(error as Error).message}`);
  }
}
