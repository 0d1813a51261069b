import { randomUUID } from 'node:crypto';
import { actorOf, type UserPrincipal } from '../access/principal.js';
import type { Platform } from '../context.js';
import { invalid, unavailable } from '../errors.js';
import { checkAddonName, randomAddonName } from '../names.js';
import type { Addon, App } from '../store/records.js';
import { planAttachment } from './attach.js';
import { beginDeprovision } from './lifecycle.js';

export interface WantedAddon {
  plan: string;
  name?: string | undefined;
  attachment?: string | undefined;
  confirm?: string | undefined;
  config: Record<string, unknown>;
}

export function freeAddonName(platform: Platform, name: string): string {
  checkAddonName(name);
  if (platform.store.find('addons', (row) => row.name === name)) throw invalid(`Name ${name} is already taken`);
  return name;
}

/** Values are strings at the maker, whatever they were at the CLI. */
function optionStrings(config: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => {
      if (typeof value !== 'string' && typeof value !== 'boolean' && typeof value !== 'number')
        throw invalid(`The option ${name.slice(0, 100)} must be a string.`);
      return [name, String(value)];
    }),
  );
}

function newAddon(platform: Platform, app: App, wanted: WantedAddon): Addon {
  const now = platform.now();
  return {
    id: randomUUID(),
    name: freeAddonName(platform, wanted.name ?? randomAddonName(platform.catalogue.slug)),
    appId: app.id,
    appName: app.name,
    plan: platform.catalogue.planFor(wanted.plan).name,
    state: 'provisioning',
    pending: { kind: 'provision', tries: 0 },
    config: {},
    options: optionStrings(wanted.config),
    providerId: null,
    message: null,
    createdAt: now,
    updatedAt: now,
  };
}

/**
 * Makes the add-on and asks its maker to provision it. When the maker refuses nothing is left; when it does not answer
 * the user is told so and the maker is told to destroy whatever it may have made.
 */
export async function createAddon(
  platform: Platform,
  principal: UserPrincipal,
  app: App,
  wanted: WantedAddon,
): Promise<Addon> {
  const addon = newAddon(platform, app, wanted);
  const attachment = planAttachment(platform, addon, app, { name: wanted.attachment, confirm: wanted.confirm });
  platform.store.commit((tx) => {
    tx.put('addons', addon);
    tx.put('attachments', attachment);
  });
  const outcome = await platform.courier.deliver(addon.id);
  if (outcome.kind === 'refused') throw invalid(outcome.message);
  const now = platform.store.get('addons', addon.id);
  if (outcome.kind === 'outage') {
    if (now?.state === 'provisioning') beginDeprovision(platform, addon.id, actorOf(principal));
    if (now?.state !== 'provisioned')
      throw unavailable(
        `${platform.catalogue.manifest.name} is not answering, nothing was provisioned. Try again later.`,
      );
  }
  if (!now) throw unavailable(`${platform.catalogue.manifest.name} gave up provisioning. Try again later.`);
  return now;
}
