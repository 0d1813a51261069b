import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { startPartner } from './partner.js';
import { finishProvisioning, send, temporaryDirectory, until } from './setup.js';

const MAIN = join(import.meta.dirname, '..', 'dist', 'platform-main.test.mjs');

beforeAll(() =>
  build({
    entryPoints: [join(import.meta.dirname, 'platform-main.ts')],
    outfile: MAIN,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  }),
);

/** A platform in a process of its own, on one store and port, that can be killed and started again. */
async function killable() {
  const directory = temporaryDirectory();
  const partner = await startPartner();
  let child: ChildProcess | undefined;
  let url = '';
  const start = async () => {
    const port = url === '' ? '0' : new URL(url).port;
    child = spawn(process.execPath, [MAIN, join(directory, 'store'), partner.baseUrl, port], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    url = line.toString().trim();
  };
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  await start();
  onTestFinished(async () => {
    await kill();
    await partner.stop();
  });
  return { partner, start, kill, call: (path: string, call = {}) => send(url, path, call), url: () => url };
}

test('killed while the maker is asked to provision, it asks again and the add-on comes up once', async () => {
  const world = await killable();
  await world.call('/apps', { json: { name: 'sushi' } });
  const normally = world.partner.answers.POST!;
  world.partner.answers.POST = () => 'hang';
  const lost = world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg' } }).catch(() => 'lost');
  await until(() => world.partner.of('POST').length === 1);
  await world.kill();
  expect(await lost).toBe('lost');
  world.partner.answers.POST = normally;
  await world.start();
  await until(() => world.partner.of('POST').length === 2);
  const [first, second] = world.partner.of('POST');
  expect(second!.body.uuid).toBe(first!.body.uuid);
  // The answer may not be noted yet when the maker calls back: as fast as this it must work too.
  await finishProvisioning(world.url(), world.partner);
  expect((await world.call('/addons')).body).toMatchObject([{ state: 'provisioned', id: first!.body.uuid }]);
  await world.kill();
  await world.start();
  expect(Object.keys((await world.call('/apps/sushi/config-vars')).body)).toContain('DATABASE_URL');
  expect((await world.call('/apps/sushi/releases')).body).toHaveLength(3);
});

test('killed while it changes a plan or destroys, it goes on until the maker has heard', async () => {
  const world = await killable();
  await world.call('/apps', { json: { name: 'sushi' } });
  const addon = (await world.call('/apps/sushi/addons', { json: { plan: 'borealis-pg' } })).body;
  await finishProvisioning(world.url(), world.partner);
  const path = `/apps/sushi/addons/${addon.id}`;
  const interrupted = async (method: 'PUT' | 'DELETE', call: object) => {
    const normally = world.partner.answers[method]!;
    world.partner.answers[method] = () => 'hang';
    const lost = world.call(path, call).catch(() => 'lost');
    await until(() => world.partner.of(method).length === 1);
    await world.kill();
    expect(await lost).toBe('lost');
    world.partner.answers[method] = normally;
    await world.start();
  };
  await interrupted('PUT', { method: 'PATCH', json: { plan: { name: 'borealis-pg:x1-s100-p2-r8' } } });
  await until(async () => (await world.call(path)).body.plan.name === 'borealis-pg:x1-s100-p2-r8');
  await interrupted('DELETE', { method: 'DELETE', json: { force: false } });
  expect((await world.call('/apps/sushi/config-vars')).body).toEqual({});
  await until(async () => (await world.call(path)).status === 404);
  expect(world.partner.of('DELETE')).toHaveLength(2);
});
