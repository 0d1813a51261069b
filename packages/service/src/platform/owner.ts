import type { OauthGrants } from './oauth-grants.js';
import type { PlatformApi } from './platform-api.js';

/** The e-mail address of who owns the app that an add-on belongs to, as the platform knows it now. */
export async function ownerEmail(platform: PlatformApi, grants: OauthGrants, addonId: string): Promise<string> {
  const app = await grants.call(addonId, async (token) => {
    const addon = await platform.addon(token, addonId);
    return platform.app(token, addon.app.id);
  });
  return app.owner.email;
}
