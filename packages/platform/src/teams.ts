import type { Platform } from './context.js';
import { notFound } from './errors.js';
import type { App, Team, TeamRole } from './store/records.js';

/** What somebody is in a team; null for everybody else. */
export function roleIn(team: Team | undefined, userId: string): TeamRole | null {
  return team?.members.find((member) => member.userId === userId)?.role ?? null;
}

/** The team that an app belongs to, if any. */
export function teamOf(platform: Platform, app: App): Team | undefined {
  return app.teamId === undefined ? undefined : platform.store.get('teams', app.teamId);
}

/** The team of that name or id when the person is in it; else a 404 that does not say whether there is one. */
export function requireTeam(platform: Platform, userId: string, nameOrId: string): Team {
  const team = platform.store.find('teams', (row) => row.name === nameOrId || row.id === nameOrId);
  if (!team || !roleIn(team, userId)) throw notFound('team');
  return team;
}
