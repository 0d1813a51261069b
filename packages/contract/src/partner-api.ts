import { z } from 'zod';

/** Heroku's Partner API v3: what the platform sends to the add-on service. Unknown fields are tolerated. */

export const provisionRequest = z.looseObject({
  callback_url: z.string().optional(),
  name: z.string().min(1).max(128),
  oauth_grant: z
    .looseObject({ code: z.string().min(1), expires_at: z.string().optional(), type: z.string().optional() })
    .nullish(),
  options: z.record(z.string(), z.unknown()).nullish(),
  plan: z.string().min(1).max(64),
  region: z.string().max(64),
  uuid: z.uuid(),
  log_input_url: z.string().nullish(),
  log_drain_token: z.string().nullish(),
});
export type ProvisionRequest = z.infer<typeof provisionRequest>;

export const provisionAnswer = z.object({ id: z.string(), message: z.string() });

export const planChangeRequest = z.looseObject({ plan: z.string().min(1).max(64) });

/** Heroku shows the message to whoever asked. */
export const planChangeAnswer = z.object({ message: z.string() });

export const partnerError = z.object({ message: z.string() });

/** `POST /oauth/token` of the platform, form-encoded; grants live five minutes, access tokens eight hours. */
export const oauthTokenAnswer = z.looseObject({
  access_token: z.string(),
  refresh_token: z.string(),
  expires_in: z.number(),
  token_type: z.string().optional(),
});

/** The add-on manifest, as a partner registers it, with the plans the partner portal would hold. */
export const manifest = z.object({
  id: z.string(),
  name: z.string(),
  cli_plugin_name: z.string().optional(),
  api: z.object({
    config_vars_prefix: z.string(),
    config_vars: z.array(z.string()),
    password: z.string(),
    sso_salt: z.string(),
    oauth_client_secret: z.string(),
    regions: z.array(z.string()),
    requires: z.array(z.string()),
    production: z.object({ base_url: z.string(), sso_url: z.string() }),
    version: z.literal('3'),
  }),
  plans: z.array(
    z.object({
      name: z.string(),
      human_name: z.string(),
      default: z.boolean(),
      price_cents: z.number(),
      state: z.string(),
    }),
  ),
});
export type Manifest = z.infer<typeof manifest>;
