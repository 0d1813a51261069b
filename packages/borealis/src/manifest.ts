import { DEFAULT_PLAN, type Manifest, PLANS, SERVICE_SLUG } from '@borealis/contract';
import type { Credentials } from './secrets.js';

/** The add-on as it would be registered in the partner portal, for the local platform. */
export function buildManifest(serviceUrl: string, credentials: Credentials): Manifest {
  return {
    id: SERVICE_SLUG,
    name: 'Borealis Isolated Postgres',
    cli_plugin_name: 'borealis-pg-cli',
    api: {
      config_vars_prefix: 'BOREALIS_PG',
      config_vars: ['BOREALIS_PG_URL', 'BOREALIS_PG_READONLY_URL', 'BOREALIS_PG_TUNNEL_BPG_CONN_INFO'],
      password: credentials.partnerPassword,
      sso_salt: credentials.ssoSalt,
      oauth_client_secret: credentials.oauthClientSecret,
      regions: ['us', 'eu'],
      requires: ['log_input', 'many_per_app', 'attachable'],
      production: { base_url: `${serviceUrl}/heroku/resources`, sso_url: `${serviceUrl}/sso/login` },
      version: '3',
    },
    plans: PLANS.map((plan) => ({
      name: plan.name,
      human_name: plan.humanName,
      default: plan.name === DEFAULT_PLAN,
      price_cents: plan.priceCents,
      state: 'ga',
    })),
  };
}
