import { expect, test } from 'vitest';
import { finishProvisioning, OWNER, send, setUp } from './setup.js';

test('after a restart everything is as it was: apps, tokens, add-ons, config vars, releases and the log', async () => {
  const world = await setUp();
  await world.app('sushi');
  const friend = await world.user('friend@example.com');
  await world.call('/apps/sushi/config-vars', { method: 'PATCH', json: { FOO: 'bar' } });
  await world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg' } });
  const { token, uuid } = await finishProvisioning(world.url, world.partner);
  const log = async () => {
    const session = await world.call('/apps/sushi/log-sessions', { json: { lines: 50 } });
    return (await send('', session.body.logplex_url, { token: null })).body as string;
  };
  const state = async () => ({
    config: (await world.call('/apps/sushi/config-vars')).body,
    releases: (await world.call('/apps/sushi/releases')).body,
    names: (await world.call('/addons')).body.map((row: { name: string }) => row.name),
    friend: (await world.call('/account', { token: friend })).body,
    maker: (await world.call(`/addons/${uuid}/config`, { token })).body,
    log: await log(),
  });
  const before = await state();
  expect(before.log).toContain('Release v4 created by user borealis-pg@addons.heroku.com');
  await world.restart();
  expect(await state()).toEqual(before);
});

test("a start with another token of the owner's ends the one before", async () => {
  const world = await setUp();
  await world.app('sushi');
  const owner = { ...OWNER, token: 'another-token' };
  await world.restart({ owner });
  expect((await world.call('/apps')).status).toBe(401);
  expect((await world.call('/apps', { token: owner.token })).body).toMatchObject([{ name: 'sushi' }]);
});

test('a port in use is an error, and the store can be opened again', async () => {
  const world = await setUp();
  const port = Number(new URL(world.url).port);
  const other = await setUp();
  await expect(other.restart({ port })).rejects.toThrow(/EADDRINUSE/);
  await other.restart();
  expect((await other.call('/account')).status).toBe(200);
});
