import type { Platform } from '../context.js';
import type { App, Collaborator } from '../store/records.js';
import { teamOf } from '../teams.js';
import { stableId } from '../tokens.js';
import { apiTime } from './time.js';

function named(kind: string, name: string): { id: string; name: string } {
  return { id: stableId(`${kind} ${name}`), name };
}

/** A user as other objects refer to it. */
export function userRef(platform: Platform, userId: string): { id: string; email: string } {
  return { id: userId, email: platform.store.get('users', userId)?.email ?? 'unknown' };
}

export function appView(platform: Platform, app: App): Record<string, unknown> {
  const team = teamOf(platform, app);
  return {
    id: app.id,
    name: app.name,
    owner: userRef(platform, app.ownerId),
    region: named('region', app.region),
    stack: named('stack', app.stack),
    build_stack: named('stack', app.stack),
    generation: named('generation', 'cedar'),
    // Both lead here, never to an app of that name at Heroku.
    git_url: `${platform.url()}/${app.name}.git`,
    web_url: `${platform.url()}/pages/apps/${app.name}`,
    maintenance: app.maintenance,
    acm: false,
    create_status: 'complete',
    repo_size: 0,
    slug_size: 0,
    space: null,
    team: team ? { id: team.id, name: team.name } : null,
    internal_routing: null,
    locked: false,
    process_tier: 'basic',
    buildpack_provided_description: null,
    archived_at: null,
    released_at: apiTime(app.updatedAt),
    created_at: apiTime(app.createdAt),
    updated_at: apiTime(app.updatedAt),
  };
}

export function collaboratorView(
  platform: Platform,
  app: App,
  row: Collaborator,
  role: string,
): Record<string, unknown> {
  return {
    id: row.id,
    app: { id: app.id, name: app.name },
    user: { ...userRef(platform, row.userId), federated: false },
    role,
    permissions: [],
    created_at: apiTime(row.createdAt),
    updated_at: apiTime(row.createdAt),
  };
}
