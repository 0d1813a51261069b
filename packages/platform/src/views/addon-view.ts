import type { Principal } from '../access/principal.js';
import { addonConfigNames, attachmentConfig } from '../addons/config.js';
import type { ServicePlan } from '../catalogue.js';
import type { Platform } from '../context.js';
import { logInputUrl } from '../logs/log-input.js';
import type { Addon, Attachment } from '../store/records.js';
import { apiTime } from './time.js';

export function serviceView(platform: Platform): Record<string, unknown> {
  const { manifest, serviceId } = platform.catalogue;
  return {
    id: serviceId,
    name: manifest.id,
    human_name: manifest.name,
    cli_plugin_name: manifest.cli_plugin_name ?? null,
    state: 'ga',
    supports_multiple_installations: true,
    supports_sharing: true,
    created_at: apiTime(0),
    updated_at: apiTime(0),
  };
}

export function planView(platform: Platform, plan: ServicePlan): Record<string, unknown> {
  return {
    id: plan.id,
    name: plan.name,
    human_name: plan.humanName,
    description: plan.humanName,
    default: plan.default,
    price: { cents: plan.cents, unit: 'month', contract: false, metered: false },
    state: plan.state,
    space_default: false,
    addon_service: { id: platform.catalogue.serviceId, name: platform.catalogue.slug },
    created_at: apiTime(0),
    updated_at: apiTime(0),
  };
}

function owningApp(platform: Platform, addon: Addon): { id: string; name: string } {
  return { id: addon.appId, name: platform.store.get('apps', addon.appId)?.name ?? addon.appName };
}

/** Sub-objects are whole, as if `Accept-Expansion` had asked for each. The log token is its maker's alone. */
export function addonView(platform: Platform, addon: Addon, principal: Principal): Record<string, unknown> {
  const plan = platform.catalogue.planNamed(addon.plan);
  const app = owningApp(platform, addon);
  return {
    id: addon.id,
    name: addon.name,
    app,
    addon_service: serviceView(platform),
    plan: planView(platform, plan),
    billed_price: { cents: plan.cents, contract: false, unit: 'month' },
    billing_entity: { ...app, type: 'app' },
    config_vars: addonConfigNames(platform, addon, addon.appId),
    provider_id: addon.providerId,
    state: addon.state,
    actions: [],
    web_url: `${platform.url()}/pages/addons/${addon.id}`,
    ...(principal.kind === 'addon' ? { log_input_url: logInputUrl(platform, 'addon', addon.id) } : {}),
    created_at: apiTime(addon.createdAt),
    updated_at: apiTime(addon.updatedAt),
  };
}

export function attachmentView(platform: Platform, row: Attachment, principal: Principal): Record<string, unknown> {
  const addon = platform.store.get('addons', row.addonId)!;
  const plan = platform.catalogue.planNamed(addon.plan);
  return {
    id: row.id,
    name: row.name,
    namespace: null,
    addon: {
      id: addon.id,
      name: addon.name,
      app: owningApp(platform, addon),
      plan: { id: plan.id, name: plan.name },
    },
    app: { id: row.appId, name: platform.store.get('apps', row.appId)?.name },
    config_vars: Object.keys(attachmentConfig(platform, row)),
    web_url: `${platform.url()}/pages/attachments/${row.id}`,
    log_input_url: principal.kind === 'addon' ? logInputUrl(platform, 'attachment', row.id) : null,
    created_at: apiTime(row.createdAt),
    updated_at: apiTime(row.updatedAt),
  };
}
