import { expect, test } from 'vitest';
import { CONFIG, exchange, finishProvisioning, setUp, until } from './setup.js';

const CREATE = { attachment: {}, config: {}, plan: { name: 'borealis-pg' } };

test('the maker gets a whole v3 provision request with Basic authorization', async () => {
  const world = await setUp();
  await world.app('sushi');
  const created = await world.call('/apps/sushi/addons', {
    json: { ...CREATE, config: { version: '15', flag: true } },
  });
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({
    state: 'provisioning',
    provision_message: 'Your database is being made.',
    app: { name: 'sushi' },
    plan: { name: 'borealis-pg:x1-s10-p1-r1', price: { cents: 2500 } },
    config_vars: [],
  });
  const [request] = world.partner.of('POST');
  expect(request).toMatchObject({
    path: '/heroku/resources',
    authorization: `Basic ${Buffer.from('borealis-pg:partner-password').toString('base64')}`,
    accept: 'application/vnd.heroku-addons+json; version=3',
    body: {
      callback_url: `${world.url}/addons/${created.body.id}`,
      name: created.body.name,
      oauth_grant: { type: 'authorization_code' },
      options: { version: '15', flag: 'true' },
      plan: 'x1-s10-p1-r1',
      region: 'amazon-web-services::us-east-1',
      uuid: created.body.id,
    },
  });
  expect(request!.body.log_input_url).toMatch(/^http:\/\/token:t\.[^@]+@127\.0\.0\.1:\d+\/logs$/);
});

test('config vars reach the app under the attachment, in one release, when the add-on is provisioned', async () => {
  const world = await setUp();
  await world.app('sushi');
  await world.call('/apps/sushi/addons', { json: CREATE });
  const token = await exchange(world.url, world.partner);
  const uuid = world.partner.of('POST')[0]!.body.uuid;
  const config = { config: CONFIG };
  expect((await world.call(`/addons/${uuid}/config`, { method: 'PATCH', token, json: config })).body).toEqual(CONFIG);
  expect((await world.call('/apps/sushi/config-vars')).body).toEqual({});
  for (let twice = 0; twice < 2; twice++) {
    const done = await world.call(`/addons/${uuid}/actions/provision`, { method: 'POST', token });
    expect(done).toMatchObject({ status: 200, body: { state: 'provisioned' } });
  }
  expect((await world.call('/apps/sushi/config-vars')).body).toEqual({
    DATABASE_URL: CONFIG[0]!.value,
    DATABASE_READONLY_URL: CONFIG[1]!.value,
  });
  const releases = (await world.call('/apps/sushi/releases')).body;
  expect(releases.map((row: { version: number }) => row.version)).toEqual([1, 2, 3]);
  expect(releases[2].description).toMatch(/^Attach DATABASE \(@ref:borealis-pg-/);
  // The same values again make no release, other ones make one.
  await world.call(`/addons/${uuid}/config`, { method: 'PUT', token, json: config });
  expect((await world.call('/apps/sushi/releases')).body).toHaveLength(3);
  const other = { config: [{ name: 'BOREALIS_PG_READONLY_URL', value: null }] };
  await world.call(`/addons/${uuid}/config`, { method: 'PATCH', token, json: other });
  expect((await world.call('/apps/sushi/releases')).body).toHaveLength(4);
  expect(Object.keys((await world.call('/apps/sushi/config-vars')).body)).toEqual(['DATABASE_URL']);
});

test('an answer of 201 with config vars provisions at once', async () => {
  const world = await setUp();
  world.partner.answers.POST = ({ body }) => ({
    status: 201,
    body: { id: body.uuid, config: { BOREALIS_PG_URL: 'postgres://x' }, message: 'Ready.' },
  });
  await world.app('sushi');
  const created = await world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg:x1-s100-p2-r8' } });
  expect(created.body).toMatchObject({
    state: 'provisioned',
    provision_message: 'Ready.',
    config_vars: ['DATABASE_URL'],
  });
  expect((await world.call('/apps/sushi/config-vars')).body).toEqual({ DATABASE_URL: 'postgres://x' });
});

test('an answer with an undeclared config var provisions nothing and has it destroyed', async () => {
  const world = await setUp();
  world.partner.answers.POST = ({ body }) => ({ status: 200, body: { id: body.uuid, config: { PATH: '/evil' } } });
  await world.app('sushi');
  expect((await world.call('/apps/sushi/addons', { json: CREATE })).status).toBe(422);
  await until(async () => (await world.call('/addons')).body.length === 0);
  expect(world.partner.of('DELETE')).toHaveLength(1);
});

test('a refusal reaches the user in the words of the maker and leaves nothing', async () => {
  const world = await setUp();
  world.partner.answers.POST = () => ({
    status: 422,
    body: { message: 'PostgreSQL 12 is not offered, only 13 to 18.' },
  });
  await world.app('sushi');
  const refused = await world.call('/apps/sushi/addons', { json: CREATE });
  expect(refused).toMatchObject({
    status: 422,
    body: { id: 'invalid_params', message: 'PostgreSQL 12 is not offered, only 13 to 18.' },
  });
  expect((await world.call('/addons')).body).toEqual([]);
  expect(world.partner.of('DELETE')).toEqual([]);
});

test.each(['hang', 'drop', { status: 503 }] as const)(
  'after an outage (%j) the user is told and the maker too, until it hears',
  async (outage) => {
    // Only who is never answered has to wait for the end of the time.
    const world = await setUp(outage === 'hang' ? { timing: { timeoutMs: 1_500 } } : {});
    world.partner.answers.POST = () => outage;
    const failures = [{ status: 500 }, 'drop', { status: 404 }] as const;
    world.partner.answers.DELETE = () => failures[world.partner.of('DELETE').length - 1] ?? { status: 410 };
    await world.app('sushi');
    const answer = await world.call('/apps/sushi/addons', { json: CREATE });
    expect(answer).toMatchObject({ status: 503, body: { id: 'service_unavailable' } });
    await until(async () => (await world.call('/addons')).body.length === 0);
    expect(world.partner.of('DELETE')).toHaveLength(4);
  },
);

test('a grant is good for one exchange within five minutes, a refresh token for many', async () => {
  const world = await setUp();
  await world.app('sushi');
  await world.call('/apps/sushi/addons', { json: CREATE });
  const { code } = world.partner.of('POST')[0]!.body.oauth_grant as { code: string };
  const form = { grant_type: 'authorization_code', code, client_secret: 'client-secret-of-the-test' };
  const ask = (change: Record<string, string>) =>
    world.call('/oauth/token', { form: { ...form, ...change }, token: null });
  expect((await ask({ client_secret: 'wrong' })).status).toBe(401);
  const tokens = (await ask({})).body;
  expect(tokens).toMatchObject({ expires_in: 28_800, token_type: 'Bearer' });
  expect((await ask({})).body).toMatchObject({ id: 'invalid_grant' });
  const refreshed = await ask({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
  const uuid = world.partner.of('POST')[0]!.body.uuid;
  for (const token of [tokens.access_token, refreshed.body.access_token])
    expect((await world.call(`/addons/${uuid}`, { token })).status).toBe(200);
  world.clock.ahead = 8 * 3_600_000 + 1;
  expect((await world.call(`/addons/${uuid}`, { token: tokens.access_token })).status).toBe(401);
  expect((await ask({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).status).toBe(200);
  world.clock.ahead = 0;
  await world.call('/apps/sushi/addons', { json: CREATE });
  world.clock.ahead = 5 * 60_000 + 1000;
  const late = (world.partner.of('POST')[1]!.body.oauth_grant as { code: string }).code;
  expect((await ask({ code: late })).status).toBe(400);
});

test('an add-on that is provisioning for more than 12 hours is given up', async () => {
  const world = await setUp();
  await world.app('sushi');
  await world.call('/apps/sushi/addons', { json: CREATE });
  world.clock.ahead = 12 * 3_600_000 - 60_000;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect((await world.call('/addons')).body).toHaveLength(1);
  world.clock.ahead = 12 * 3_600_000 + 60_000;
  await until(async () => (await world.call('/addons')).body.length === 0);
  expect(world.partner.of('DELETE')).toHaveLength(1);
});

test('the maker can give up, and its tokens end with the add-on', async () => {
  const world = await setUp();
  await world.app('sushi');
  await world.call('/apps/sushi/addons', { json: CREATE });
  const { token, uuid } = await finishProvisioning(world.url, world.partner);
  const gone = await world.call(`/addons/${uuid}/actions/deprovision`, { method: 'POST', token });
  expect(gone).toMatchObject({ status: 200, body: { state: 'deprovisioned' } });
  expect((await world.call(`/addons/${uuid}`, { token })).status).toBe(401);
  expect((await world.call('/apps/sushi/config-vars')).body).toEqual({});
});
