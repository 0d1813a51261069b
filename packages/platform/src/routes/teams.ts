import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import type { Platform } from '../context.js';
import { forbidden, invalid, notFound } from '../errors.js';
import { checkAppName } from '../names.js';
import type { Team, TeamMember } from '../store/records.js';
import { requireTeam, roleIn } from '../teams.js';
import { findUser } from '../users.js';
import { appView, userRef } from '../views/app-view.js';
import { apiTime } from '../views/time.js';
import { body, param } from './input.js';

const newTeam = z.object({ name: z.string() });
const newMember = z.looseObject({ email: z.string(), role: z.enum(['admin', 'member']).default('member') });

function teamView(team: Team, userId: string): Record<string, unknown> {
  const { id, name, createdAt } = team;
  return { id, name, role: roleIn(team, userId), type: 'team', created_at: apiTime(createdAt) };
}

function memberView(platform: Platform, { userId, role, createdAt }: TeamMember): Record<string, unknown> {
  const user = userRef(platform, userId);
  return { id: userId, email: user.email, user, role, federated: false, created_at: apiTime(createdAt) };
}

function requireAdmin(team: Team, userId: string): void {
  if (roleIn(team, userId) !== 'admin') throw forbidden(`Only an admin of ${team.name} may change who is in it.`);
}

function putMembers(platform: Platform, team: Team, members: TeamMember[]): void {
  if (!members.some(({ role }) => role === 'admin')) throw invalid(`${team.name} needs an admin.`);
  platform.store.commit((tx) => tx.put('teams', { ...team, members }));
}

/** Teams as far as they say who has access to which apps. */
export function teamRoutes(server: FastifyInstance, platform: Platform): void {
  server.get('/teams', async (request) => {
    const { id } = person(request).user;
    return platform.store.filter('teams', (team) => roleIn(team, id) !== null).map((team) => teamView(team, id));
  });

  server.get('/teams/permissions', async () => ['view', 'deploy', 'operate', 'manage'].map((name) => ({ name })));

  server.get('/teams/:team', async (request) => {
    const { id } = person(request).user;
    return teamView(requireTeam(platform, id, param(request, 'team')), id);
  });

  server.get('/teams/:team/apps', async (request) => {
    const team = requireTeam(platform, person(request).user.id, param(request, 'team'));
    return platform.store.filter('apps', (app) => app.teamId === team.id).map((app) => appView(platform, app));
  });

  server.get('/teams/:team/members', async (request) => {
    const team = requireTeam(platform, person(request).user.id, param(request, 'team'));
    return team.members.map((member) => memberView(platform, member));
  });

  server.put('/teams/:team/members', async (request) => {
    const { id } = person(request).user;
    const team = requireTeam(platform, id, param(request, 'team'));
    requireAdmin(team, id);
    const { email, role } = body(request, newMember);
    const user = findUser(platform, email);
    if (!user) throw notFound('user');
    const member = { userId: user.id, role, createdAt: platform.now() };
    putMembers(platform, team, [...team.members.filter(({ userId }) => userId !== user.id), member]);
    return memberView(platform, member);
  });

  server.delete('/teams/:team/members/:user', async (request) => {
    const { id } = person(request).user;
    const team = requireTeam(platform, id, param(request, 'team'));
    const user = findUser(platform, param(request, 'user'));
    // Everybody may leave.
    if (user?.id !== id) requireAdmin(team, id);
    const member = team.members.find(({ userId }) => userId === user?.id);
    if (!member) throw notFound('user');
    putMembers(
      platform,
      team,
      team.members.filter((one) => one !== member),
    );
    return memberView(platform, member);
  });

  server.get('/teams/:team/*', async () => {
    throw notFound('team');
  });

  // Heroku makes teams on its web site.
  server.post('/stand-in/teams', { config: { scope: 'global' } }, async (request, reply) => {
    const { id } = person(request).user;
    const { name } = body(request, newTeam);
    checkAppName(name);
    if (platform.store.find('teams', (row) => row.name === name)) throw invalid(`Name ${name} is already taken`);
    const createdAt = platform.now();
    const team: Team = { id: randomUUID(), name, members: [{ userId: id, role: 'admin', createdAt }], createdAt };
    platform.store.commit((tx) => tx.put('teams', team));
    return reply.code(201).send(teamView(team, id));
  });
}
