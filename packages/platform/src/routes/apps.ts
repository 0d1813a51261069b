import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { actorOf, type UserPrincipal } from '../access/principal.js';
import { requireApp, requireOwner, visibleApps } from '../access/visible.js';
import { beginDeprovision } from '../addons/lifecycle.js';
import type { Platform } from '../context.js';
import { invalid, notFound } from '../errors.js';
import { checkAppName, randomAppName } from '../names.js';
import { announce, release } from '../releases.js';
import type { App } from '../store/records.js';
import { requireTeam } from '../teams.js';
import { appView } from '../views/app-view.js';
import { body, param, reference } from './input.js';

const REGIONS = ['us', 'eu'];
const STACKS = ['heroku-22', 'heroku-24'];

const creation = z.looseObject({
  name: z.string().optional(),
  region: reference.optional(),
  stack: reference.optional(),
  team: reference.nullish(),
});
const change = z.looseObject({ name: z.string().optional(), maintenance: z.boolean().optional() });

function oneOf(kind: string, allowed: readonly string[], value: string): string {
  if (!allowed.includes(value)) throw invalid(`There is no ${kind} ${value.slice(0, 50)}, only ${allowed.join(', ')}.`);
  return value;
}

function freeName(platform: Platform, name: string): string {
  checkAppName(name);
  if (platform.store.find('apps', (app) => app.name === name)) throw invalid(`Name ${name} is already taken`);
  return name;
}

function createApp(platform: Platform, principal: UserPrincipal, wanted: z.infer<typeof creation>): App {
  const now = platform.now();
  const app: App = {
    id: randomUUID(),
    name: freeName(platform, wanted.name ?? randomAppName()),
    ownerId: principal.user.id,
    ...(wanted.team && { teamId: requireTeam(platform, principal.user.id, wanted.team).id }),
    region: oneOf('region', REGIONS, wanted.region ?? 'us'),
    stack: oneOf('stack', STACKS, wanted.stack ?? 'heroku-24'),
    maintenance: false,
    config: {},
    buildpacks: [],
    collaborators: [],
    version: 0,
    createdAt: now,
    updatedAt: now,
  };
  const actor = actorOf(principal);
  const releases = ['Initial release', 'Enable Logplex'];
  platform.store.commit((tx) => {
    tx.put('apps', app);
    for (const description of releases) release(tx, platform, app.id, description, actor);
  });
  for (const row of platform.store.filter('releases', (one) => one.appId === app.id)) announce(platform, row);
  return platform.store.get('apps', app.id)!;
}

/** The add-ons it owns are destroyed, each pending until their maker confirms; what else was attached stays elsewhere. */
async function destroyApp(platform: Platform, app: App, principal: UserPrincipal): Promise<void> {
  const owned = platform.store.filter('addons', (addon) => addon.appId === app.id);
  for (const addon of owned) beginDeprovision(platform, addon.id, actorOf(principal));
  platform.store.commit((tx) => {
    tx.delete('apps', app.id);
    for (const row of platform.store.filter('releases', (one) => one.appId === app.id)) tx.delete('releases', row.id);
    for (const row of platform.store.filter('attachments', (one) => one.appId === app.id))
      tx.delete('attachments', row.id);
  });
  platform.logs.forget(app.id);
  await Promise.all(owned.map((addon) => platform.courier.deliver(addon.id)));
}

function rename(platform: Platform, app: App, name: string): App {
  const renamed = { ...app, name: freeName(platform, name), updatedAt: platform.now() };
  platform.store.commit((tx) => {
    tx.put('apps', renamed);
    for (const addon of platform.store.filter('addons', (row) => row.appId === app.id))
      tx.put('addons', { ...addon, appName: name });
  });
  return renamed;
}

function setMaintenance(platform: Platform, app: App, maintenance: boolean): App {
  const changed = { ...app, maintenance, updatedAt: platform.now() };
  platform.store.commit((tx) => tx.put('apps', changed));
  return changed;
}

export function appRoutes(server: FastifyInstance, platform: Platform): void {
  for (const path of ['/apps', '/teams/apps'])
    server.post(path, async (request, reply) => {
      const app = createApp(platform, person(request), body(request, creation));
      return reply.code(201).send(appView(platform, app));
    });

  for (const path of ['/apps', '/users/~/apps'])
    server.get(path, async (request) => {
      const principal = person(request);
      const apps = visibleApps(platform, principal);
      const mine = path === '/apps' ? apps : apps.filter((app) => app.ownerId === principal.user.id && !app.teamId);
      return mine.sort((left, right) => (left.name < right.name ? -1 : 1)).map((app) => appView(platform, app));
    });

  server.get('/apps/:app', { config: { partner: true } }, async (request) =>
    appView(platform, requireApp(platform, request.principal!, param(request, 'app'))),
  );

  server.patch('/apps/:app', async (request) => {
    const principal = person(request);
    let app = requireApp(platform, principal, param(request, 'app'));
    const wanted = body(request, change);
    if (wanted.name !== undefined && wanted.name !== app.name) {
      requireOwner(platform, app, principal, 'rename it');
      app = rename(platform, app, wanted.name);
    }
    if (wanted.maintenance !== undefined) app = setMaintenance(platform, app, wanted.maintenance);
    return appView(platform, app);
  });

  server.delete('/apps/:app', async (request) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    requireOwner(platform, app, principal, 'destroy it');
    await destroyApp(platform, app, principal);
    return appView(platform, app);
  });

  server.get('/apps/:app/log-drains', async (request) => {
    requireApp(platform, person(request), param(request, 'app'));
    return [];
  });

  server.get('/apps/:app/formation', async (request) => {
    requireApp(platform, person(request), param(request, 'app'));
    return [];
  });

  server.get('/apps/:app/pipeline-couplings', async () => {
    // The CLI fails on an empty answer, so an app without a pipeline is a 404, as at Heroku.
    throw notFound('app');
  });
}
