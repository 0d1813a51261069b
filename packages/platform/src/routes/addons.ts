import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { actorOf, type UserPrincipal } from '../access/principal.js';
import { requireAddonMember, requireApp, requireOwner, visibleAddons } from '../access/visible.js';
import { createAddon, freeAddonName } from '../addons/create.js';
import { addonsOn, requireAddon } from '../addons/find.js';
import { beginDeprovision, putAddon } from '../addons/lifecycle.js';
import type { Platform } from '../context.js';
import { invalid, notFound, unavailable } from '../errors.js';
import type { Addon, App } from '../store/records.js';
import { addonView, planView, serviceView } from '../views/addon-view.js';
import { body, param, reference } from './input.js';

const creation = z.looseObject({
  plan: reference,
  name: z.string().nullish(),
  attachment: z.looseObject({ name: z.string().nullish() }).nullish(),
  config: z.record(z.string().max(100), z.unknown()).nullish(),
  confirm: z.string().nullish(),
});
const change = z.looseObject({ name: z.string().optional(), plan: reference.optional() });

/** A new plan, once its maker agreed. The answer's message is the maker's. */
async function changePlan(platform: Platform, addon: Addon, asked: string): Promise<string | null> {
  const plan = platform.catalogue.planFor(asked).name;
  if (addon.state !== 'provisioned') throw invalid(`${addon.name} is ${addon.state}, its plan cannot be changed now.`);
  if (plan === addon.plan && !addon.pending) throw invalid(`${addon.name} already has the plan ${plan}.`);
  platform.store.commit((tx) => putAddon(tx, platform, addon, { pending: { kind: 'plan', plan, tries: 0 } }));
  const outcome = await platform.courier.deliver(addon.id);
  if (outcome.kind === 'refused') throw invalid(outcome.message);
  if (outcome.kind === 'outage')
    throw unavailable(
      `${platform.catalogue.manifest.name} is not answering, the plan change is repeated until it does.`,
    );
  return outcome.message;
}

async function destroy(platform: Platform, addon: Addon, principal: UserPrincipal): Promise<string> {
  requireOwner(platform, platform.store.get('apps', addon.appId), principal, 'destroy its add-ons');
  beginDeprovision(platform, addon.id, actorOf(principal));
  await platform.courier.deliver(addon.id);
  return platform.store.get('addons', addon.id)?.state ?? 'deprovisioned';
}

function rename(platform: Platform, addon: Addon, name: string): void {
  if (name === addon.name) return;
  const free = freeAddonName(platform, name);
  platform.store.commit((tx) => putAddon(tx, platform, addon, { name: free }));
}

function catalogueRoutes(server: FastifyInstance, platform: Platform): void {
  const { catalogue } = platform;
  server.get('/addon-services', async () => [serviceView(platform)]);
  server.get('/addon-services/:service', async (request) => {
    catalogue.requireService(param(request, 'service'));
    return serviceView(platform);
  });
  server.get('/addon-services/:service/plans', async (request) => {
    catalogue.requireService(param(request, 'service'));
    return catalogue.listed.map((plan) => planView(platform, plan));
  });
  server.get('/addon-services/:service/plans/:plan', async (request) => {
    catalogue.requireService(param(request, 'service'));
    const wanted = param(request, 'plan');
    const plan = catalogue.plans.find((one) => [one.id, one.name, one.slug].includes(wanted));
    if (!plan) throw notFound('plan');
    return planView(platform, plan);
  });
}

export function addonRoutes(server: FastifyInstance, platform: Platform): void {
  catalogueRoutes(server, platform);
  const list = (addons: Addon[], principal: UserPrincipal) =>
    addons.sort((a, b) => a.createdAt - b.createdAt).map((addon) => addonView(platform, addon, principal));
  const onApp = (principal: UserPrincipal, app: App, name: string) => requireAddon(platform, principal, name, app);

  server.post('/apps/:app/addons', async (request, reply) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const { plan, name, attachment, config, confirm } = body(request, creation);
    const addon = await createAddon(platform, principal, app, {
      plan,
      name: name ?? undefined,
      attachment: attachment?.name ?? undefined,
      confirm: confirm ?? undefined,
      config: config ?? {},
    });
    return reply.code(201).send({ ...addonView(platform, addon, principal), provision_message: addon.message });
  });

  server.get('/addons', async (request) => list(visibleAddons(platform, person(request)), person(request)));

  server.get('/apps/:app/addons', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    return list(addonsOn(platform, app), person(request));
  });

  server.get('/addons/:addon', { config: { partner: true } }, async (request) => {
    const addon = requireAddon(platform, request.principal!, param(request, 'addon'));
    return addonView(platform, addon, request.principal!);
  });

  server.get('/apps/:app/addons/:addon', async (request) => {
    const app = requireApp(platform, person(request), param(request, 'app'));
    return addonView(platform, onApp(person(request), app, param(request, 'addon')), person(request));
  });

  server.patch('/apps/:app/addons/:addon', async (request) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const addon = onApp(principal, app, param(request, 'addon'));
    const { name, plan } = body(request, change);
    requireAddonMember(platform, addon, principal, 'change it');
    if (name !== undefined) rename(platform, addon, name);
    const renamed = platform.store.get('addons', addon.id)!;
    const message = plan === undefined ? null : await changePlan(platform, renamed, plan);
    const now = platform.store.get('addons', addon.id);
    if (!now) throw notFound('add_on');
    return { ...addonView(platform, now, principal), provision_message: message };
  });

  server.delete('/apps/:app/addons/:addon', async (request) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const addon = onApp(principal, app, param(request, 'addon'));
    const state = await destroy(platform, addon, principal);
    return { ...addonView(platform, addon, principal), state, config_vars: [] };
  });
}
