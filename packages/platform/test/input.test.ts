import { expect, test } from 'vitest';
import { OWNER, send, setUp } from './setup.js';

test('bad names are refused with what is allowed, and change nothing', async () => {
  const world = await setUp();
  await world.app('sushi');
  for (const name of ['ab', 'Sushi', '1abc', 'a-', 'a_b', 'x'.repeat(31), '../etc', ''])
    expect((await world.call('/apps', { json: { name } })).body.message).toMatch(/3 to 30 characters/);
  for (const name of ['DROP TABLE', 'a', '../x', 'x'.repeat(129)])
    expect((await world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg', name } })).status).toBe(422);
  for (const name of ['1A', 'A-B', 'A B', 'A'.repeat(65), '']) {
    const json = { plan: 'borealis-pg', attachment: { name } };
    expect((await world.call('/apps/sushi/addons', { json })).body.message).toMatch(/attachment name/);
  }
  for (const name of ['', '1A', 'A=B', 'A B', '__A', 'ü']) {
    const patch = { method: 'PATCH', json: { [name]: 'x' } };
    expect((await world.call('/apps/sushi/config-vars', patch)).body.message).toMatch(/config var name/);
  }
  expect((await world.call('/apps')).body).toHaveLength(1);
  expect((await world.call('/addons')).body).toEqual([]);
  expect((await world.call('/apps/sushi/releases')).body).toHaveLength(2);
  expect(world.partner.requests).toEqual([]);
});

test('bad bodies get an error of the right kind', async () => {
  const world = await setUp();
  await world.app('sushi');
  const raw = (body: string, type = 'application/json') =>
    fetch(`${world.url}/apps/sushi/config-vars`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${OWNER.token}`, 'content-type': type },
      body,
    });
  for (const [body, type, status] of [
    ['{"A":', 'application/json', 400],
    ['{"__proto__":{"A":"x"}}', 'application/json', 400],
    ['[1]', 'application/json', 422],
    ['{"A":1}', 'application/json', 422],
    ['{"A":{"B":"x"}}', 'application/json', 422],
    ['<xml/>', 'application/xml', 415],
    [JSON.stringify({ A: 'x'.repeat(300_000) }), 'application/json', 413],
    [JSON.stringify({ A: 'x'.repeat(40_000) }), 'application/json', 422],
  ] as const) {
    const answer = await raw(body, type);
    expect([body.slice(0, 30), answer.status]).toEqual([body.slice(0, 30), status]);
    const { id, message } = (await answer.json()) as { id: string; message: string };
    expect(id).toMatch(/^[a-z_]+$/);
    expect(message.length).toBeGreaterThan(5);
  }
  expect((await world.call('/apps/sushi/config-vars')).body).toEqual({});
});

test('config vars with names of object methods are ordinary config vars', async () => {
  const world = await setUp();
  await world.app('sushi');
  const json = { constructor: 'a', toString: 'b', hasOwnProperty: 'c' };
  await world.call('/apps/sushi/config-vars', { method: 'PATCH', json });
  expect((await world.call('/apps/sushi/config-vars')).body).toEqual(json);
});

test('an unknown service or plan is refused in the words that the CLI looks for', async () => {
  const world = await setUp();
  await world.app('sushi');
  for (const plan of ['nothing', 'borealis-pg:nothing', 'x1-s10-p1-r1']) {
    const { status, body } = await world.call('/apps/sushi/addons', { json: { plan } });
    expect(status).toBe(422);
    expect(body.message).toContain(`Couldn't find either the add-on service or the add-on plan of "${plan}".`);
  }
});

test('a plan that is not on sale yet is listed nowhere, and refused by its maker', async () => {
  const world = await setUp();
  world.partner.answers.POST = () => ({ status: 422, body: { message: 'Not available yet.' } });
  await world.app('sushi');
  const plans = (await world.call('/addon-services/borealis-pg/plans')).body;
  expect(plans.map((plan: { name: string }) => plan.name)).not.toContain('borealis-pg:dev');
  const { body } = await world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg:dev' } });
  expect(body.message).toBe('Not available yet.');
});

test('a release range is honoured in both spellings', async () => {
  const world = await setUp();
  await world.app('sushi');
  for (const range of ['version ..; order=desc,max=1', 'version ..; max=1, order=desc']) {
    const { body } = await world.call('/apps/sushi/releases', { headers: { range } });
    expect(body).toMatchObject([{ version: 2, current: true, description: 'Enable Logplex' }]);
  }
});

test('an attachment never overwrites a config var, and a taken name asks for confirmation', async () => {
  const world = await setUp();
  world.partner.answers.POST = ({ body }) => ({
    status: 201,
    body: { id: body.uuid, config: { BOREALIS_PG_URL: `postgres://${body.name}` } },
  });
  await world.app('sushi');
  await world.call('/apps/sushi/config-vars', { method: 'PATCH', json: { DATABASE_URL: 'mine' } });
  const create = (name: string, more = {}) =>
    world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg', name, ...more } });
  expect((await create('first')).body.config_vars[0]).toMatch(/^BOREALIS_PG_[A-Z]+_URL$/);
  const attachment = { name: 'DATABASE' };
  expect((await create('second', { attachment })).body.message).toContain(
    'would overwrite the config var DATABASE_URL',
  );
  await world.call('/apps/sushi/config-vars', { method: 'PATCH', json: { DATABASE_URL: null } });
  expect((await create('second')).body.config_vars).toEqual(['DATABASE_URL']);
  expect(await create('third', { attachment })).toMatchObject({ status: 423, body: { id: 'confirmation_required' } });
  await create('third', { attachment, confirm: 'sushi' });
  expect((await world.call('/apps/sushi/config-vars')).body.DATABASE_URL).toBe('postgres://third');
});

test('log lines need the token of their own URL and the right framing', async () => {
  const world = await setUp();
  await world.app('sushi');
  await world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg' } });
  const { password } = new URL(String(world.partner.requests[0]!.body.log_input_url));
  const post = async (token: string, body: string) => {
    const authorization = `Basic ${Buffer.from(`token:${token}`).toString('base64')}`;
    const headers = { authorization, 'content-type': 'application/logplex-1' };
    return (await fetch(`${world.url}/logs`, { method: 'POST', headers, body })).status;
  };
  const frame = '<190>1 2026-01-02T03:04:05+00:00 host app borealis-pg - - süß';
  const counted = `${Buffer.byteLength(frame)} ${frame}`;
  expect(await post(password, counted + counted)).toBe(204);
  expect(await post(password, `999 ${frame}`)).toBe(400);
  expect(await post(password, frame)).toBe(400);
  expect(await post(`${password}x`, counted)).toBe(401);
  expect(await post(password.replace(/[0-9a-f]{8}-/, '00000000-'), counted)).toBe(401);
  const session = await world.call('/apps/sushi/log-sessions', { json: { lines: 2, tail: false, source: 'app' } });
  const stream = await send('', session.body.logplex_url, { token: null });
  expect(stream.headers.get('content-type')).toContain('text/event-stream');
  expect(stream.body.match(/app\[borealis-pg\]: süß/g)).toHaveLength(2);
});

test('a tail that comes back gets only what it missed, and ends when access does', async () => {
  const world = await setUp();
  await world.app('sushi');
  const token = await world.user('friend@example.com');
  await world.call('/apps/sushi/collaborators', { json: { user: 'friend@example.com' } });
  const session = await world.call('/apps/sushi/log-sessions', { json: { lines: 1, tail: true }, token });
  const stream = await fetch(session.body.logplex_url, { headers: { 'last-event-id': '2' } });
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  expect(first.value).toContain('id: 3\n');
  expect(first.value).not.toContain('id: 2\n');
  await world.call('/apps/sushi/collaborators/friend@example.com', { method: 'DELETE' });
  await world.call('/apps/sushi/config-vars', { method: 'PATCH', json: { SECRET: 'x' } });
  let rest = '';
  for (let next = await reader.read(); !next.done; next = await reader.read()) rest += next.value;
  expect(rest).not.toContain('SECRET');
  expect((await fetch(session.body.logplex_url)).status).toBe(404);
});
