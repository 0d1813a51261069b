import { randomUUID } from 'node:crypto';
import type { Actor } from './access/principal.js';
import { effectiveConfig } from './addons/config.js';
import { addonsOn } from './addons/find.js';
import type { Platform } from './context.js';
import type { App, Release } from './store/records.js';
import type { Transaction } from './store/store.js';

function newRelease(platform: Platform, app: App, description: string, actor: Actor): Release {
  return {
    id: randomUUID(),
    appId: app.id,
    version: app.version + 1,
    description,
    user: actor,
    config: effectiveConfig(platform, app),
    addonPlans: addonsOn(platform, app).map((addon) => addon.plan),
    createdAt: platform.now(),
  };
}

/** Adds a release to an app within a transaction. */
export function release(
  tx: Transaction,
  platform: Platform,
  appId: string,
  description: string,
  actor: Actor,
): Release {
  const app = platform.store.get('apps', appId)!;
  const made = newRelease(platform, app, description, actor);
  tx.put('releases', made);
  tx.put('apps', { ...app, version: made.version, updatedAt: made.createdAt });
  return made;
}

/** Says in the app's log, as Heroku does, that it was released, and restarts its dynos. */
export function announce(platform: Platform, made: Release): void {
  const line = (message: string) => platform.logs.platformLine(made.appId, 'app', 'api', message);
  line(`${made.description} by user ${made.user.email}`);
  line(`Release v${made.version} created by user ${made.user.email}`);
  platform.dynos.restart(made.appId);
}

/**
 * Commits `change` and, in the same transaction, one release on each of these apps whose config vars it changed.
 * Doing the same again changes nothing and so releases nothing.
 */
export function commitReleasing(
  platform: Platform,
  options: { appIds: Iterable<string>; actor: Actor; describe: (app: App) => string },
  change: (tx: Transaction) => void,
): Release[] {
  const configOf = (id: string) => {
    const app = platform.store.get('apps', id);
    return app ? JSON.stringify(effectiveConfig(platform, app)) : null;
  };
  const before = new Map([...new Set(options.appIds)].map((id) => [id, configOf(id)]));
  const made: Release[] = [];
  platform.store.commit((tx) => {
    made.length = 0;
    change(tx);
    for (const [id, config] of before) {
      const app = platform.store.get('apps', id);
      if (app && configOf(id) !== config) made.push(release(tx, platform, id, options.describe(app), options.actor));
    }
  });
  for (const one of made) announce(platform, one);
  return made;
}
