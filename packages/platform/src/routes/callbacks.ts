import { configPatch } from '@borealis/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requireAddon } from '../addons/find.js';
import { changeAddonConfig, markProvisioned, removeAddon } from '../addons/lifecycle.js';
import type { Platform } from '../context.js';
import { forbidden, invalid } from '../errors.js';
import type { Addon } from '../store/records.js';
import { addonView } from '../views/addon-view.js';
import { body, param } from './input.js';

/** The add-on in the path, for its own maker. A user who may see it is told that this is not for him. */
function ownAddon(platform: Platform, request: FastifyRequest): Addon {
  const addon = requireAddon(platform, request.principal!, param(request, 'addon'));
  if (request.principal?.kind !== 'addon') throw forbidden('Only the maker of the add-on may do this.');
  return addon;
}

function configView(addon: Addon): { name: string; value: string }[] {
  return Object.entries(addon.config).map(([name, value]) => ({ name, value }));
}

/** What the maker of an add-on calls back, with the token it got for that add-on. */
export function callbackRoutes(server: FastifyInstance, platform: Platform): void {
  const partner = { config: { partner: true } };

  server.get('/addons/:addon/config', partner, async (request) => configView(ownAddon(platform, request)));

  server.route({
    method: ['PATCH', 'PUT'],
    url: '/addons/:addon/config',
    ...partner,
    handler: async (request) => {
      const addon = ownAddon(platform, request);
      changeAddonConfig(platform, addon, body(request, configPatch).config);
      return configView(platform.store.get('addons', addon.id)!);
    },
  });

  server.post('/addons/:addon/actions/provision', partner, async (request) => {
    const addon = ownAddon(platform, request);
    if (addon.state === 'deprovisioning') throw invalid(`${addon.name} is being removed.`);
    markProvisioned(platform, addon.id);
    return addonView(platform, platform.store.get('addons', addon.id)!, request.principal!);
  });

  server.post('/addons/:addon/actions/deprovision', partner, async (request) => {
    const addon = ownAddon(platform, request);
    const view = addonView(platform, addon, request.principal!);
    removeAddon(platform, addon.id);
    return { ...view, state: 'deprovisioned', config_vars: [] };
  });
}
