import { EngineError } from '@borealis/engine';
import { expect, test } from 'vitest';
import { availableAddon, call, type Harness, useService } from './support/harness.js';

const start = useService();

async function database() {
  const harness = await start();
  const { name, token, id } = await availableAddon(harness);
  const ask = async (method: 'GET' | 'POST' | 'DELETE', path = '', body?: object) => {
    const answer = await call(harness.service, token, method, `${name}/pg-extensions${path}`, body);
    return { status: answer.statusCode, body: answer.json() };
  };
  return {
    ...{ harness, id, list: () => ask('GET') },
    install: (pgExtensionName: string) => ask('POST', '', { pgExtensionName }),
    remove: (extension: string) => ask('DELETE', `/${extension}`),
  };
}

async function events({ pool }: Harness) {
  const { rows } = await pool.query("select type, attributes from event where type like 'postgresql-%' order by id");
  return rows.map(({ type, attributes }) => [type, attributes]);
}

test('an extension is installed, listed and removed, and the log of the app says so', async () => {
  const { harness, install, list, remove } = await database();
  expect(await install('cube')).toEqual({
    status: 201,
    body: { pgExtensionSchema: 'cube', pgExtensionVersion: '1.5' },
  });
  expect(await list()).toEqual({
    status: 200,
    body: { extensions: [{ name: 'cube', schema: 'cube', version: '1.5' }] },
  });
  expect(await remove('cube')).toEqual({ status: 200, body: { success: true } });
  expect((await list()).body).toEqual({ extensions: [] });
  expect(await events(harness)).toEqual([
    ['postgresql-extension-installed', { extension: 'cube', version: '1.5', user: 'dev@example.com' }],
    ['postgresql-extension-removed', { extension: 'cube', user: 'dev@example.com' }],
  ]);
});

test('what cannot be done is told with what can, and leaves no event', async () => {
  const { harness, install, remove } = await database();
  expect(await install('earthdistance')).toEqual({
    status: 400,
    body: {
      reason: 'The extension "earthdistance" needs others that must be installed first: cube.',
      dependencies: ['cube'],
    },
  });
  expect(await install('file_fdw')).toEqual({
    status: 400,
    body: { reason: 'There is no supported extension "file_fdw". Supported extensions: cube, earthdistance.' },
  });
  expect((await install('')).status).toBe(400);
  expect(await remove('cube')).toEqual({
    status: 404,
    body: { reason: 'The extension "cube" is not installed.', resourceType: 'extension' },
  });
  expect(await events(harness)).toEqual([]);
  await install('cube');
  await install('earthdistance');
  expect(await install('cube')).toEqual({
    status: 409,
    body: { reason: 'The extension "cube" is already installed.' },
  });
  expect(await remove('cube')).toEqual({
    status: 400,
    body: { reason: 'The extension "cube" cannot be removed while others need it: earthdistance.' },
  });
  expect(await events(harness)).toHaveLength(2);
});

test('a schema in the way is told apart from an extension that is there; a database that recovers is told as such', async () => {
  const { harness, install, list, remove } = await database();
  const failing = (error: EngineError) => {
    harness.engine.before = (what) => {
      if (what === 'installExtension' || what === 'removeExtension') throw error;
    };
  };
  failing(new EngineError('exists', 'taken'));
  expect(await install('cube')).toEqual({
    status: 409,
    body: { reason: 'The extension "cube" needs a schema of its own, whose name is taken in this database.' },
  });
  failing(new EngineError('conflict', 'restricted'));
  expect([(await install('cube')).status, (await remove('cube')).status]).toEqual([403, 403]);
  failing(new EngineError('not_ready', 'recovering'));
  expect((await install('cube')).status).toBe(503);
  failing(new EngineError('internal', 'broken'));
  expect((await install('cube')).status).toBe(500);
  harness.engine.before = () => {
    throw new EngineError('unavailable', 'away');
  };
  expect((await list()).status).toBe(503);
});

/** Lets the strand of another process look after the add-on when nobody can be at work on a change any more. */
async function lookedAfterByAnother({ harness, id }: Awaited<ReturnType<typeof database>>): Promise<void> {
  const next = await harness.another();
  expect((await next.strands.step(id))?.label).toBe('serve');
  expect(await events(harness), 'the request may still be at work').toEqual([]);
  for (let looks = 0; looks < 2; looks++) {
    await harness.pool.query("update extension_change set begun_at = now() - interval '61 seconds'");
    expect((await next.strands.step(id))?.label).toBe('serve');
  }
  expect((await harness.pool.query('select from extension_change')).rowCount).toBe(0);
}

test('a service that dies when the engine has done it leaves the event to the next one, once', async () => {
  const given = await database();
  const { harness, install, list } = given;
  const { engine } = harness;
  const real = engine.installExtension.bind(engine);
  engine.installExtension = async (...args) => {
    await real(...args);
    throw new Error('killed');
  };
  expect((await install('cube')).status).toBe(500);
  await lookedAfterByAnother(given);
  expect((await list()).body.extensions).toHaveLength(1);
  expect(await events(harness)).toEqual([
    ['postgresql-extension-installed', { extension: 'cube', version: '1.5', user: 'dev@example.com' }],
  ]);
});

test('a service that dies before the engine has done anything leaves no event', async () => {
  const given = await database();
  const { harness, install } = given;
  harness.engine.before = (what) => {
    if (what === 'installExtension') throw new Error('killed');
  };
  expect((await install('cube')).status).toBe(500);
  await lookedAfterByAnother(given);
  expect(await events(harness)).toEqual([]);
});
