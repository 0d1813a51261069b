import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exchange, finishProvisioning, OWNER, setUp } from './setup.js';

const CREATE = { plan: 'borealis-pg' };

test('without a live token nothing is told', async () => {
  const world = await setUp();
  await world.app('sushi');
  for (const token of [null, 'wrong', ''])
    expect(await world.call('/apps/sushi', { token })).toMatchObject({ status: 401, body: { id: 'unauthorized' } });
  expect((await world.call('/stand-in/health', { token: null })).status).toBe(200);
  expect(await world.call('/nowhere', { token: null })).toMatchObject({ status: 404, body: { id: 'not_found' } });
});

test('a stranger gets the same 404 for what there is and what there is not', async () => {
  const world = await setUp();
  await world.app('sushi');
  const addon = (await world.call('/apps/sushi/addons', { json: CREATE })).body;
  await finishProvisioning(world.url, world.partner);
  const token = await world.user('stranger@example.com');
  const ask = async (path: string, json?: unknown) => {
    const { status, body } = await world.call(path, { token, ...(json ? { json } : {}) });
    return { status, body };
  };
  for (const [there, absent] of [
    ['/apps/sushi', '/apps/nothing'],
    ['/apps/sushi/config-vars', '/apps/nothing/config-vars'],
    [`/addons/${addon.name}`, '/addons/nothing'],
    [`/addons/${addon.id}/config`, '/addons/nothing/config'],
    [`/addons/${addon.id}/addon-attachments`, '/addons/nothing/addon-attachments'],
  ] as const) {
    const answer = await ask(there);
    expect(answer.status).toBe(404);
    expect(answer).toEqual(await ask(absent));
  }
  const resolve = (name: string) => ask('/actions/addons/resolve', { addon: name, app: null });
  expect(await resolve(addon.name)).toEqual(await resolve('nothing'));
  expect((await ask('/addons')).body).toEqual([]);
  expect((await ask('/addon-attachments')).body).toEqual([]);
});

test('whoever has an add-on only attached to his app can neither pass it on nor change it', async () => {
  const world = await setUp();
  for (const name of ['sushi', 'shared']) await world.app(name);
  const addon = (await world.call('/apps/sushi/addons', { json: CREATE })).body;
  await finishProvisioning(world.url, world.partner);
  await world.call('/addon-attachments', { json: { addon: addon.name, app: 'shared' } });
  const token = await world.user('guest@example.com');
  await world.app('own', token);
  await world.call('/apps/shared/collaborators', { json: { user: 'guest@example.com' } });
  expect((await world.call(`/addons/${addon.name}`, { token })).status).toBe(200);
  const attach = { json: { addon: addon.name, app: 'own' }, token };
  expect(await world.call('/addon-attachments', attach)).toMatchObject({ status: 403, body: { id: 'forbidden' } });
  const rename = { method: 'PATCH', json: { name: 'stolen-name' }, token };
  expect((await world.call(`/apps/shared/addons/${addon.id}`, rename)).status).toBe(403);
  await world.call('/apps/shared/collaborators/guest@example.com', { method: 'DELETE' });
  expect((await world.call(`/addons/${addon.name}`, { token })).status).toBe(404);
});

test('a collaborator may change config and add-ons but not destroy, and sees an attached add-on', async () => {
  const world = await setUp();
  await world.app('sushi');
  const addon = (await world.call('/apps/sushi/addons', { json: CREATE })).body;
  await finishProvisioning(world.url, world.partner);
  const token = await world.user('friend@example.com');
  await world.app('theirs', token);
  const attach = { addon: addon.name, app: 'theirs' };
  expect((await world.call('/addon-attachments', { json: attach, token })).status).toBe(404);
  await world.call('/apps/sushi/collaborators', { json: { user: 'Friend@Example.com' } });
  expect((await world.call('/addon-attachments', { json: attach, token })).body.name).toBe('DATABASE');
  const patch = { method: 'PATCH', json: { A: '1' }, token };
  expect((await world.call('/apps/sushi/config-vars', patch)).status).toBe(200);
  for (const path of ['/apps/sushi', `/apps/sushi/addons/${addon.id}`, `/apps/theirs/addons/${addon.id}`])
    expect(await world.call(path, { method: 'DELETE', token })).toMatchObject({
      status: 403,
      body: { id: 'forbidden' },
    });
  await world.call('/apps/sushi/collaborators/friend@example.com', { method: 'DELETE', token });
  expect((await world.call('/apps/sushi', { token })).status).toBe(404);
  // It is still attached to an app of theirs.
  expect((await world.call(`/addons/${addon.name}`, { token })).status).toBe(200);
});

test('temporary tokens have only their scopes, end by themselves and can be deleted', async () => {
  const world = await setUp();
  await world.app('sushi');
  const make = async (expires_in: unknown) =>
    (await world.call('/oauth/authorizations', { json: { expires_in, scope: ['read', 'identity'] } })).body;
  const [first, second] = [await make(180), await make('180')];
  const status = async (token: string, path: string, method = 'GET') => {
    const json = method === 'GET' ? {} : { json: {} };
    return (await world.call(path, { token, method, ...json })).status;
  };
  const { token } = first.access_token;
  expect(first.access_token.expires_in).toBe(180);
  expect(await status(token, '/account')).toBe(200);
  expect(await status(token, '/apps/sushi/addons')).toBe(200);
  expect(await status(token, '/apps/sushi/config-vars')).toBe(403);
  expect(await status(token, '/oauth/authorizations')).toBe(403);
  expect(await status(token, '/apps', 'POST')).toBe(403);
  expect((await world.call(`/oauth/authorizations/${second.id}`, { method: 'DELETE' })).status).toBe(200);
  expect(await status(second.access_token.token, '/account')).toBe(401);
  world.clock.ahead = 181_000;
  expect(await status(token, '/account')).toBe(401);
  expect((await world.call(`/oauth/authorizations/${first.id}`)).status).toBe(404);
  for (const bad of ['soon', 0, 1.5, -1])
    expect((await world.call('/oauth/authorizations', { json: { expires_in: bad } })).status).toBe(422);
  expect((await world.call('/oauth/authorizations', { json: { scope: ['all'] } })).body.message).toContain(
    'read-protected',
  );
});

test("an add-on's token reaches that add-on only", async () => {
  const world = await setUp();
  await world.app('sushi');
  const first = (await world.call('/apps/sushi/addons', { json: CREATE })).body;
  const token = await exchange(world.url, world.partner);
  const second = (await world.call('/apps/sushi/addons', { json: CREATE })).body;
  expect((await world.call(`/addons/${first.id}`, { token })).body.log_input_url).toMatch(/^http:\/\/token:t\./);
  expect((await world.call(`/addons/${first.id}/config`, { token })).status).toBe(200);
  expect((await world.call('/apps/sushi/collaborators', { token })).status).toBe(200);
  expect((await world.call(`/addons/${second.id}`, { token })).status).toBe(404);
  expect((await world.call(`/addons/${second.id}/actions/provision`, { token, method: 'POST' })).status).toBe(404);
  for (const path of ['/account', '/apps', '/addons', '/apps/sushi/config-vars', '/oauth/authorizations'])
    expect((await world.call(path, { token })).status).toBe(403);
  // And a user may not act as the maker of the add-on.
  expect((await world.call(`/addons/${first.id}/actions/provision`, { method: 'POST' })).status).toBe(403);
  expect((await world.call(`/addons/${first.id}`)).body).not.toHaveProperty('log_input_url');
});

test('only the owner of the platform makes users', async () => {
  const world = await setUp();
  const token = await world.user('friend@example.com');
  const json = { email: 'other@example.com' };
  expect((await world.call('/stand-in/users', { json, token })).status).toBe(403);
  expect((await world.call('/stand-in/users', { json: { email: 'no address' } })).status).toBe(422);
  expect((await world.call('/account', { token })).body.email).toBe('friend@example.com');
});

test('the store keeps no token in the clear, for its owner only', async () => {
  const world = await setUp();
  await world.app('sushi');
  await world.call('/apps/sushi/addons', { json: CREATE });
  const { token } = await finishProvisioning(world.url, world.partner);
  const temporary = (await world.call('/oauth/authorizations', { json: {} })).body.access_token.token;
  const logToken = new URL(String(world.partner.requests[0]!.body.log_input_url)).password;
  const names = readdirSync(world.storeDirectory).filter((name) => name !== 'logs');
  expect(names).toContain('journal.jsonl');
  for (const name of names) {
    const path = join(world.storeDirectory, name);
    expect(statSync(path).mode & 0o077).toBe(0);
    for (const secret of [OWNER.token, token, temporary, logToken])
      expect(readFileSync(path, 'utf8')).not.toContain(secret);
  }
});

test('an app of a team is seen by who is in the team, and changed by its admins alone', async () => {
  const world = await setUp();
  const token = await world.user('member@example.com');
  const member = { email: 'member@example.com', role: 'member' };
  expect((await world.call('/stand-in/teams', { json: { name: 'crew' } })).status).toBe(201);
  expect((await world.call('/teams/crew', { token })).status).toBe(404);
  const foreign = { json: { name: 'foreign', team: 'crew' }, token };
  expect((await world.call('/teams/apps', foreign)).status).toBe(404);
  const made = await world.call('/teams/apps', { json: { name: 'fleet', team: 'crew' } });
  expect([made.status, made.body.team.name]).toEqual([201, 'crew']);
  const addon = (await world.call('/apps/fleet/addons', { json: CREATE })).body;
  await finishProvisioning(world.url, world.partner);
  const statuses = async () =>
    Promise.all(
      ['/apps/fleet', `/addons/${addon.name}`].map(async (path) => (await world.call(path, { token })).status),
    );
  expect(await statuses()).toEqual([404, 404]);
  await world.call('/teams/crew/members', { method: 'PUT', json: member });
  expect(await statuses()).toEqual([200, 200]);
  expect((await world.call('/teams', { token })).body).toMatchObject([{ name: 'crew', role: 'member' }]);
  const members = (await world.call('/teams/crew/members', { token })).body;
  expect(members).toMatchObject([{ email: OWNER.email, role: 'admin' }, member]);
  expect((await world.call('/teams/crew/apps', { token })).body).toMatchObject([{ name: 'fleet' }]);
  for (const [path, call] of [
    ['/apps/fleet', { method: 'DELETE' }],
    ['/teams/crew/members', { method: 'PUT', json: { ...member, role: 'admin' } }],
    ['/teams/crew/members/owner@example.com', { method: 'DELETE' }],
  ] as const)
    expect((await world.call(path, { ...call, token })).status).toBe(403);
  expect((await world.call('/teams/crew/members/owner@example.com', { method: 'DELETE' })).status).toBe(422);
  await world.call('/teams/crew/members/member@example.com', { method: 'DELETE', token });
  expect(await statuses()).toEqual([404, 404]);
});
