import {
  beginDeprovision,
  changeAddonConfig,
  makerOf,
  markProvisioned,
  putAddon,
  removeAddon,
} from '../addons/lifecycle.js';
import type { Platform } from '../context.js';
import { ApiError } from '../errors.js';
import { logInputUrl } from '../logs/log-input.js';
import type { Addon } from '../store/records.js';
import { derivedToken } from '../tokens.js';
import { issueGrant } from './grants.js';
import { configIn, messageIn, OUTAGE, type Outcome, SETTLED } from './outcome.js';
import type { PartnerAnswer, PartnerClient } from './partner-client.js';

const REGIONS: Record<string, string> = {
  us: 'amazon-web-services::us-east-1',
  eu: 'amazon-web-services::eu-west-1',
};

/** `2016-03-03T18:01:31+0000`, as Heroku writes it. */
function grantTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}+0000`;
}

/** The body of a provision request. `heroku_id` is the old API's: makers must tolerate fields that they do not know. */
function provisionBody(platform: Platform, addon: Addon): Record<string, unknown> {
  const { requires } = platform.catalogue.manifest.api;
  const grant = issueGrant(platform, addon.id);
  const region = platform.store.get('apps', addon.appId)?.region ?? 'us';
  return {
    callback_url: `${platform.url()}/addons/${addon.id}`,
    heroku_id: `app${addon.appId}@heroku.com`,
    name: addon.name,
    oauth_grant: { code: grant.code, expires_at: grantTime(grant.expiresAt), type: 'authorization_code' },
    options: addon.options,
    plan: addon.plan.replace(`${platform.catalogue.slug}:`, ''),
    region: REGIONS[region] ?? REGIONS.us,
    uuid: addon.id,
    ...(requires.includes('log_input') ? { log_input_url: logInputUrl(platform, 'addon', addon.id) } : {}),
    ...(requires.includes('syslog_drain')
      ? { log_drain_token: `d.${derivedToken(platform.key, `drain ${addon.id}`)}` }
      : {}),
  };
}

/** Delivers a provision request and applies the answer, unless the add-on was destroyed in the meantime. */
export async function deliverProvision(platform: Platform, client: PartnerClient, addon: Addon): Promise<Outcome> {
  const answer = await client.provision(provisionBody(platform, addon));
  const now = platform.store.get('addons', addon.id);
  if (!now || now.state === 'deprovisioning') return SETTLED;
  if (answer.status >= 500 || answer.status < 200 || answer.status === 429) return OUTAGE;
  if (answer.status > 202) return refuse(platform, addon, answer);
  return accept(platform, now, answer);
}

function accept(platform: Platform, addon: Addon, { status, body }: PartnerAnswer): Outcome {
  const providerId = typeof body.id === 'string' ? body.id : addon.id;
  const message = messageIn(body);
  const facts = { providerId, message, pending: null, options: {} };
  if (status === 202) {
    platform.store.commit((tx) => putAddon(tx, platform, addon, facts));
    return { kind: 'settled', message };
  }
  const config = configIn(body);
  try {
    if (config === null) throw new ApiError(422, 'invalid_params', 'the config vars must be strings by name');
    changeAddonConfig(platform, addon, config);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    platform.log.warn({ addon: addon.name, reason: error.message }, 'provision answer refused');
    beginDeprovision(platform, addon.id, makerOf(platform));
    return { kind: 'refused', message: `${platform.catalogue.manifest.name} gave an invalid answer.` };
  }
  markProvisioned(platform, addon.id, facts);
  return { kind: 'settled', message };
}

/** After an earlier try the maker may have made something all the same, so then it is told to remove it. */
function refuse(platform: Platform, addon: Addon, { status, body }: PartnerAnswer): Outcome {
  const message = messageIn(body) ?? `${platform.catalogue.manifest.name} refused the request with status ${status}.`;
  if (addon.pending && addon.pending.tries > 1) beginDeprovision(platform, addon.id, makerOf(platform));
  else removeAddon(platform, addon.id);
  return { kind: 'refused', message };
}
