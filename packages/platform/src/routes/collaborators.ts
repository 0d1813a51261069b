import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { person } from '../access/authenticate.js';
import { isMember, requireApp, requireOwner } from '../access/visible.js';
import type { Platform } from '../context.js';
import { invalid, notFound } from '../errors.js';
import type { App, Collaborator } from '../store/records.js';
import { findUser } from '../users.js';
import { collaboratorView } from '../views/app-view.js';
import { body, param, reference } from './input.js';

const creation = z.looseObject({ user: reference, silent: z.boolean().nullish() });

function putCollaborators(platform: Platform, app: App, collaborators: Collaborator[]): void {
  platform.store.commit((tx) => tx.put('apps', { ...app, collaborators, updatedAt: platform.now() }));
}

export function collaboratorRoutes(server: FastifyInstance, platform: Platform): void {
  server.get('/apps/:app/collaborators', { config: { partner: true } }, async (request) => {
    const app = requireApp(platform, request.principal!, param(request, 'app'));
    const owner = { id: app.id, userId: app.ownerId, createdAt: app.createdAt };
    return [
      collaboratorView(platform, app, owner, 'owner'),
      ...app.collaborators.map((row) => collaboratorView(platform, app, row, 'collaborator')),
    ];
  });

  server.post('/apps/:app/collaborators', async (request, reply) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    requireOwner(platform, app, principal, 'add collaborators');
    const user = findUser(platform, body(request, creation).user);
    if (!user) throw notFound('user');
    if (isMember(platform, app, user.id)) throw invalid(`${user.email} already has access to ${app.name}.`);
    const row = { id: randomUUID(), userId: user.id, createdAt: platform.now() };
    putCollaborators(platform, app, [...app.collaborators, row]);
    return reply.code(201).send(collaboratorView(platform, app, row, 'collaborator'));
  });

  server.delete('/apps/:app/collaborators/:user', async (request) => {
    const principal = person(request);
    const app = requireApp(platform, principal, param(request, 'app'));
    const user = findUser(platform, param(request, 'user'));
    // Everybody may leave.
    if (user?.id !== principal.user.id) requireOwner(platform, app, principal, 'remove collaborators');
    const row = app.collaborators.find((one) => one.userId === user?.id);
    if (!row) throw notFound('collaborator');
    const rest = app.collaborators.filter((one) => one.id !== row.id);
    putCollaborators(platform, app, rest);
    return collaboratorView(platform, app, row, 'collaborator');
  });
}
