import type { PlatformAddon, Secret } from '@borealis/contract';
import { type Addon, findAddon, renameAddon } from '../addons/addon-store.js';
import type { ControlDatabase } from '../database.js';
import { AppError } from '../errors.js';
import type { Person, PlatformApi } from '../platform/platform-api.js';
import { PlatformRefused } from '../platform/platform-http.js';

/** An add-on with a person whom the platform lets see it. */
export interface Admission {
  addon: Addon;
  person: Person;
}

/**
 * Asks the platform, under the caller's own token and each time anew, who he is and whether he may see the add-on of that name.
 * Names are the platform's: the add-on is known by the id that it gives, and a rename is taken over. Throws `noAddon` for anyone
 * and anything else, so that a stranger learns nothing. The token is not kept.
 */
export async function admit(
  db: ControlDatabase,
  platform: PlatformApi,
  token: Secret,
  name: string,
): Promise<Admission> {
  const [seen, person] = await Promise.all([askFor(platform, token, name), askWho(platform, token)]);
  const addon = seen && (await findAddon(db, seen.id.toLowerCase()));
  if (!addon || addon.destroy_requested_at || !person) throw new AppError('noAddon');
  await renameAddon(db, addon.id, seen.name);
  return { addon: { ...addon, name: seen.name }, person };
}

const ADDRESSABLE = /^[\w.-]{1,128}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// The platform also resolves other identifiers to an add-on; in our addresses only its name and its id count.
async function askFor(platform: PlatformApi, token: Secret, name: string): Promise<PlatformAddon | null> {
  if (!ADDRESSABLE.test(name)) return null;
  const found = await refusedAsNull(platform.addon(token, name));
  const known = found?.name === name || found?.id.toLowerCase() === name.toLowerCase();
  return found && known && UUID.test(found.id) ? found : null;
}

function askWho(platform: PlatformApi, token: Secret): Promise<Person | null> {
  return refusedAsNull(platform.account(token));
}

async function refusedAsNull<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof PlatformRefused) return null;
    throw error;
  }
}
