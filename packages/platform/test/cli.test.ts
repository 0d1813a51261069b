import { once } from 'node:events';
import { type HerokuCli, herokuCli, herokuEnv, installHerokuCli } from '@borealis/platform/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { finishProvisioning, OWNER, openWorld, type Setup, until } from './setup.js';

let world: Setup;
let cli: HerokuCli;
const INSTALL_LIMIT_MS = 600_000;

beforeAll(async () => {
  await installHerokuCli();
  world = await openWorld();
  cli = herokuCli(herokuEnv(world.url, OWNER.token));
}, INSTALL_LIMIT_MS);

afterAll(async () => {
  cli.remove();
  await world.close();
});

/** Runs a command that must succeed and gives its standard output. */
async function heroku(line: string): Promise<string> {
  const { code, stdout, stderr } = await cli.ask(line.split(' '));
  expect({ line, code, stderr: code === 0 ? '' : stderr }).toEqual({ line, code: 0, stderr: '' });
  return stdout;
}

/** Runs a command that must fail and gives what it complains of. */
async function refused(line: string): Promise<string> {
  const { code, stdout, stderr } = await cli.ask(line.split(' '));
  expect({ line, failed: code !== 0, stdout }).toMatchObject({ line, failed: true });
  return stderr.replaceAll(/[›\s]+/g, ' ');
}

/** The config vars of an app, without the 2 seconds that the CLI takes to tell them. */
async function configOf(app: string): Promise<Record<string, string>> {
  return (await world.call(`/apps/${app}/config-vars`)).body;
}

// One walk through the real CLI: each part builds on the ones before.
describe.sequential('the real heroku CLI', { timeout: 300_000 }, () => {
  test('makes apps and shows them', async () => {
    expect(await heroku('auth:whoami')).toContain(OWNER.email);
    expect(await heroku('apps:create sushi')).toContain('/pages/apps/sushi');
    expect(await refused('apps:create sushi')).toContain('Name sushi is already taken');
    await world.app('ramen');
    const list = await heroku('apps');
    expect(list).toContain('sushi');
    expect(list).toContain('ramen');
    expect(await heroku('apps:info -a sushi')).toMatch(/Owner:\s+owner@example.com/);
  });

  test('sets config vars, with releases', async () => {
    await heroku('config:set FOO=bar BAZ=1 -a sushi');
    expect(await heroku('config:get FOO -a sushi')).toBe('bar\n');
    await heroku('config:unset BAZ -a sushi');
    expect(JSON.parse(await heroku('config --json -a sushi'))).toEqual({ FOO: 'bar' });
    const releases = JSON.parse(await heroku('releases --json -a sushi'));
    expect(releases.map((row: { description: string }) => row.description).slice(0, 2)).toEqual([
      'Remove BAZ config vars',
      'Set FOO, BAZ config vars',
    ]);
    expect(await heroku('releases:info v3 -a sushi')).toContain('Set FOO, BAZ config vars');
  });

  test('lists what can be bought', async () => {
    expect(await heroku('addons:services')).toContain('borealis-pg');
    const plans = JSON.parse(await heroku('addons:plans borealis-pg --json'));
    expect(plans.map((plan: { name: string }) => plan.name)).toContain('borealis-pg:x1-s100-p2-r8');
    expect(await heroku('addons:plans borealis-pg')).toContain('x1-s10-p1-r1');
    expect(await heroku('addons:docs borealis-pg --show-url')).toContain('articles/borealis-pg');
  });

  test('provisions in the background and waits', async () => {
    const bad = await refused('addons:create borealis-pg:huge -a sushi');
    expect(bad).toContain('The plans of borealis-pg are x1-s10-p1-r1, x1-s100-p2-r8');
    const created = await heroku('addons:create borealis-pg -a sushi --name main-db -- --version 15');
    expect(created).toContain('Your database is being made.');
    expect(created).toContain('main-db is being created in the background');
    expect(world.partner.of('POST').at(-1)!.body).toMatchObject({ name: 'main-db', options: { version: '15' } });
    const waiting = await cli.start(['addons:wait', 'main-db', '--wait-interval', '1']);
    let said = '';
    for (const stream of [waiting.stdout, waiting.stderr])
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
    const ended = once(waiting, 'close');
    // It has seen the add-on provisioning; only now is that finished.
    await until(() => said.includes('main-db'));
    await finishProvisioning(world.url, world.partner);
    expect(await ended).toEqual([0, null]);
    expect(said).toContain('DATABASE_READONLY_URL');
    expect((await configOf('sushi')).DATABASE_URL).toContain('pg-tunnel.borealis-data.com:20000');
    expect(await refused('config:set DATABASE_URL=x -a sushi')).toContain('Cannot overwrite attachment values');
  });

  test('names a second add-on as it is told or by a colour, and shows both', async () => {
    world.partner.answers.POST = ({ body }) => ({
      status: 201,
      body: { id: body.uuid, config: { BOREALIS_PG_URL: 'postgres://second' }, message: 'Ready.' },
    });
    await heroku('addons:create borealis-pg -a sushi --as SECOND --name second-db --wait');
    expect((await configOf('sushi')).SECOND_URL).toBe('postgres://second');
    const third = { plan: 'borealis-pg:x1-s100-p2-r8', name: 'third-db' };
    await world.call('/apps/sushi/addons', { json: third });
    expect(Object.keys(await configOf('sushi')).find((name) => /^BOREALIS_PG_[A-Z]+_URL$/.test(name))).toBeDefined();
    const list = await heroku('addons -a sushi');
    for (const name of ['main-db', 'second-db', 'third-db', 'SECOND', 'DATABASE']) expect(list).toContain(name);
    expect(await heroku('addons --all')).toContain('third-db');
    expect(await heroku('addons:info DATABASE -a sushi')).toMatch(/Attachments:\s+sushi::DATABASE/);
    expect(await heroku('addons:open main-db --show-url -a sushi')).toContain(`${world.url}/pages/`);
    expect(await refused('addons:info borealis-pg -a sushi')).toContain('Ambiguous identifier');
  });

  test('attaches, detaches and renames', async () => {
    await heroku('addons:attach main-db -a ramen --as SHARED');
    expect((await configOf('ramen')).SHARED_URL).toContain('20000');
    await heroku('addons:rename main-db renamed-db');
    expect(await heroku('addons:info renamed-db')).toContain('ramen::SHARED');
    await heroku('addons:detach SHARED -a ramen');
    expect(await configOf('ramen')).toEqual({});
    const taken = { addon: 'second-db', app: 'sushi', name: 'DATABASE' };
    expect((await world.call('/addon-attachments', { json: taken })).body.id).toBe('confirmation_required');
    await heroku('addons:attach second-db -a sushi --as DATABASE --confirm sushi');
    expect((await configOf('sushi')).DATABASE_URL).toBe('postgres://second');
  });

  test('changes a plan when the maker agrees', async () => {
    expect(await heroku('addons:upgrade renamed-db x1-s100-p2-r8 -a sushi')).toContain('The plan is being changed.');
    expect(world.partner.of('PUT').at(-1)!.body).toEqual({ plan: 'x1-s100-p2-r8' });
    world.partner.answers.PUT = () => ({ status: 422, body: { message: 'Plans cannot be changed yet.' } });
    expect(await refused('addons:upgrade renamed-db x1-s10-p1-r1 -a sushi')).toContain('Plans cannot be changed yet.');
    expect((await world.call('/addons/renamed-db')).body.plan.name).toBe('borealis-pg:x1-s100-p2-r8');
  });

  test('installs buildpacks and switches maintenance', async () => {
    await heroku('buildpacks:add --index 1 borealis/postgres-tunnel -a sushi');
    await heroku('buildpacks:add heroku/nodejs -a sushi');
    const list = await heroku('buildpacks -a sushi');
    expect(list).toMatch(/1\. borealis\/postgres-tunnel\s+2\. heroku\/nodejs/);
    await heroku('buildpacks:remove heroku/nodejs -a sushi');
    expect(await refused('buildpacks:add nobody/nothing -a sushi')).toContain('is not in the registry');
    await heroku('maintenance:on -a sushi');
    expect(await heroku('maintenance -a sushi')).toBe('on\n');
    await heroku('maintenance:off -a sushi');
    expect((await world.call('/apps/sushi')).body.maintenance).toBe(false);
  });

  test('shows dynos, and refuses one-off dynos with a way to go on', async () => {
    expect(await heroku('ps -a sushi')).toContain('No dynos on');
    const dyno = { method: 'PUT', json: { command: 'node server.js' } };
    await world.call('/stand-in/apps/sushi/dynos/web.1', dyno);
    expect(await heroku('ps -a sushi')).toMatch(/web\.1: up/);
    await heroku('ps:restart -a sushi');
    expect((await world.call('/stand-in/apps/sushi/dynos/web.1', dyno)).body.restart).toBe(true);
    expect(await refused('run -a sushi -- ls')).toContain('borealis dyno -a APP');
  });

  test('gives access to others and takes it', async () => {
    const token = await world.user('colleague@example.com');
    const theirs = herokuCli(herokuEnv(world.url, token));
    onTestFinished(() => theirs.remove());
    expect((await theirs.ask(['apps:info', '-a', 'sushi'])).stderr).toContain("Couldn't find that app.");
    await heroku('access:add colleague@example.com -a sushi');
    expect(await heroku('access -a sushi')).toMatch(/colleague@example.com\s+collaborator/);
    expect((await theirs.ask(['config', '-a', 'sushi'])).stdout).toContain('DATABASE_URL');
    const forbidden = await theirs.ask(['apps:destroy', '-a', 'sushi', '--confirm', 'sushi']);
    expect(forbidden.stderr).toContain('Only the owner of sushi may destroy it.');
    await heroku('access:remove colleague@example.com -a sushi');
    expect((await world.call('/apps/sushi', { token })).status).toBe(404);
  });

  test('makes and revokes tokens', async () => {
    const made = JSON.parse(await heroku('authorizations:create -d short -s read,identity -e 180 --json'));
    expect(made.scope).toEqual(['read', 'identity']);
    expect((await world.call('/account', { token: made.access_token.token })).status).toBe(200);
    expect(await heroku('authorizations')).toContain('short');
    expect(await heroku(`authorizations:info ${made.id}`)).toContain('short');
    await heroku(`authorizations:revoke ${made.id}`);
    expect((await world.call('/account', { token: made.access_token.token })).status).toBe(401);
    expect(await heroku('auth:token')).toContain(OWNER.token);
  });

  test('reads logs, and follows them', async () => {
    const url = new URL(String(world.partner.of('POST')[0]!.body.log_input_url));
    const write = async (message: string) => {
      const frame = `<190>1 2026-01-02T03:04:05.678901+00:00 host app borealis-pg - - ${message}`;
      const answer = await fetch(`${url.origin}${url.pathname}`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`,
          'content-type': 'application/logplex-1',
        },
        body: `${Buffer.byteLength(frame)} ${frame}`,
      });
      expect(answer.status).toBe(204);
    };
    await write('source=renamed-db event=first');
    expect(await heroku('logs -a sushi')).toMatch(/app\[api\]: Release v\d+ created by user/);
    expect((await heroku('logs -n 1 -a sushi')).trim()).toBe(
      '2026-01-02T03:04:05.678000+00:00 app[borealis-pg]: source=renamed-db event=first',
    );
    const tail = await cli.start(['logs', '--tail', '-n', '1', '-a', 'sushi']);
    let seen = '';
    tail.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    await until(() => seen.includes('event=first'));
    await write('source=renamed-db event=second');
    await until(() => seen.includes('event=second'));
    tail.kill('SIGKILL');
  });

  test('destroys add-ons and apps', async () => {
    world.partner.answers.DELETE = () => ({ status: 410 });
    await heroku('addons:destroy second-db -a sushi --confirm sushi');
    expect(await configOf('sushi')).not.toHaveProperty('SECOND_URL');
    world.partner.answers.DELETE = () => ({ status: world.partner.of('DELETE').length > 3 ? 204 : 503 });
    expect(await heroku('apps:destroy -a sushi --confirm sushi')).toBe('');
    expect((await world.call('/apps/sushi')).status).toBe(404);
    await until(async () => (await world.call('/addons')).body.length === 0);
  });
});
