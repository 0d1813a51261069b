import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { actorOf } from '../access/principal.js';
import { requireApp } from '../access/visible.js';
import { attachmentConfig, effectiveConfig } from '../addons/config.js';
import type { Platform } from '../context.js';
import { invalid } from '../errors.js';
import { checkConfigVarName } from '../names.js';
import { commitReleasing } from '../releases.js';
import type { App } from '../store/records.js';
import { body, param } from './input.js';

const MAX_CONFIG_BYTES = 64 * 1024;
const change = z.record(z.string(), z.string().max(32_768).nullable());

/** Config vars of an attachment are its add-on's to set. */
function refuseAttached(platform: Platform, app: App, names: readonly string[]): void {
  for (const row of platform.store.filter('attachments', (one) => one.appId === app.id)) {
    const taken = names.find((name) => Object.hasOwn(attachmentConfig(platform, row), name));
    if (taken)
      throw invalid(`Cannot overwrite attachment values ${taken}. Detach ${row.name} or attach it under another name.`);
  }
}

function applied(app: App, changes: Record<string, string | null>): Record<string, string> {
  const config = new Map(Object.entries(app.config));
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) config.delete(name);
    else config.set(name, value);
  }
  const result = Object.fromEntries(config);
  if (Buffer.byteLength(JSON.stringify(result)) > MAX_CONFIG_BYTES)
    throw invalid('The config vars of an app may take 64 KB together.');
  return result;
}

/** `Set A, B config vars` or `Remove C config vars`, as Heroku says it. */
function description(changes: Record<string, string | null>): string {
  const named = (test: (value: string | null) => boolean) =>
    Object.keys(changes)
      .filter((name) => test(changes[name] ?? null))
      .join(', ');
  const set = named((value) => value !== null);
  const removed = named((value) => value === null);
  return [set && `Set ${set} config vars`, removed && `Remove ${removed} config vars`].filter(Boolean).join(', ');
}

export function configRoutes(server: FastifyInstance, platform: Platform): void {
  server.get('/apps/:app/config-vars', { config: { scope: 'read-protected' } }, async (request) =>
    effectiveConfig(platform, requireApp(platform, person(request), param(request, 'app'))),
  );

  server.patch('/apps/:app/config-vars', { config: { scope: 'write-protected' } }, async (request) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const changes = body(request, change);
    const names = Object.keys(changes).map(checkConfigVarName);
    refuseAttached(platform, app, names);
    const config = applied(app, changes);
    const options = { appIds: [app.id], actor: actorOf(principal), describe: () => description(changes) };
    commitReleasing(platform, options, (tx) => tx.put('apps', { ...app, config, updatedAt: platform.now() }));
    return effectiveConfig(platform, platform.store.get('apps', app.id)!);
  });
}
