import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConnInfo } from '@borealis/contract';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation, ISOLATED } from '../support/installation.js';
import { type Cli, type CliResult, cliFor } from '../support/plugin.js';
import { processesOf } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { freePort, isListening, openTunnel } from '../support/tunnel.js';
import { until } from '../support/until.js';

let installation: Installation;
let cli: Cli;

beforeAll(async () => {
  installation = await Installation.start();
  cli = await cliFor(installation);
}, 300_000);

afterAll(async () => {
  cli?.remove();
  await installation?.stop();
});

/** Runs a command that must succeed. Those that open a tunnel have a process of their own, as every command has for a person. */
async function ok(...args: string[]): Promise<CliResult> {
  const result = await (args[0] === 'borealis-pg:run' ? cli.run(...args) : cli.ask(...args));
  expect(result.code, `heroku ${args.join(' ')}: ${result.stdout}${result.stderr}`).toBe(0);
  return result;
}

const hasPsql = spawnSync('psql', ['--version']).error === undefined;

scenario('heroku addons:create, a dyno’s query, borealis-pg:psql, logs, and addons:destroy', async () => {
  await ok('apps:create', 'sushi');
  const created = await ok('addons:create', ISOLATED, '-a', 'sushi', '--', '--version', '15');
  expect(created.stdout + created.stderr).toContain('is being created in the background');
  await ok('addons:wait', '-a', 'sushi', '--wait-interval', '1');
  const url = (await ok('config:get', 'DATABASE_URL', '-a', 'sushi')).stdout.trim();
  expect(url).toMatch(
    /^postgres:\/\/app_rw_[a-z0-9]+:[A-Za-z0-9]+@pg-tunnel\.borealis-data\.com:[23]\d{4}\/[a-z0-9]+\?sslmode=require$/,
  );

  const dyno = spawnSync(
    process.execPath,
    [
      join(import.meta.dirname, '../../packages/borealis/dist/cli.js'),
      'dyno',
      '-a',
      'sushi',
      '--slug',
      join(import.meta.dirname, '../../packages/borealis/dist/sample-app'),
      '--',
      process.execPath,
      'bundle.cjs',
    ],
    { encoding: 'utf8', env: { ...process.env, ...installation.environment } },
  );
  expect(dyno.status, dyno.stderr).toBe(0);
  expect(JSON.parse(dyno.stdout.trim().split('\n').at(-1)!)).toMatchObject({
    visits: '1',
    version: expect.stringMatching(/^15\./),
  });

  const info = await ok('borealis-pg:info', '-a', 'sushi');
  expect(info.stdout).toMatch(/available/i);
  expect(info.stdout).toContain('15.');

  const json = await ok(
    'borealis-pg:run',
    '-a',
    'sushi',
    '--db-cmd',
    'select count(*)::int as visits from visit',
    '--format',
    'json',
    '--port',
    String(await freePort()),
  );
  expect(JSON.parse(json.stdout)).toEqual([{ visits: 1 }]);
  const personal = await ok(
    'borealis-pg:run',
    '-a',
    'sushi',
    '-u',
    '--db-cmd',
    'select current_user as me',
    '--format',
    'csv',
    '--port',
    String(await freePort()),
  );
  expect(personal.stdout).toMatch(/p_ro_/);

  await until('the tunnel events in the app’s log', async () => {
    const { stdout } = await cli.ask('logs', '-a', 'sushi', '-n', '1500');
    return (
      /app\[borealis-pg\]: source=borealis-pg-\S+ event=app-secure-tunnel-created client_address=/.test(stdout) &&
      stdout.includes('event=app-secure-tunnel-destroyed') &&
      stdout.includes('event=personal-db-user-created') &&
      stdout.includes('event=personal-ssh-user-configured')
    );
  });

  const config = await installation.config('sushi');
  const door = parseConnInfo(config.DATABASE_TUNNEL_BPG_CONN_INFO!);
  const destroyed = await ok('addons:destroy', 'borealis-pg', '-a', 'sushi', '--confirm', 'sushi');
  expect(destroyed.stderr + destroyed.stdout).toMatch(/Destroying/);
  await until(
    'the cluster’s directory to be gone',
    () => readdirSync(join(installation.home, 'clusters')).filter((id) => id !== 'control').length === 0,
  );
  expect(await isListening(Number(door.SSH_PORT), door.SSH_HOST)).toBe(false);
  expect(await installation.config('sushi')).toEqual({});
  expect(processesOf(installation.home).filter(({ command }) => command.includes('gateway.cjs'))).toEqual([]);
  expect(existsSync(join(installation.home, 'clusters', 'control'))).toBe(true);
});

scenario('what cannot be given is refused with a sentence that names what can', async () => {
  await ok('apps:create', 'ramen');
  for (const [args, sentence] of [
    [['borealis-pg', '-a', 'ramen', '--', '--version', '9'], /13, 14, 15, 16, 17/],
    [['borealis-pg:gold', '-a', 'ramen'], /plan/i],
  ] as const) {
    const refused = await cli.ask('addons:create', ...args);
    expect(refused.code).not.toBe(0);
    // The CLI breaks long sentences and begins each line with a mark.
    expect(`${refused.stderr}${refused.stdout}`.replace(/\s+(›\s+)?/g, ' ')).toMatch(sentence);
  }
  expect((await ok('addons', '-a', 'ramen', '--json')).stdout).toContain('[]');
});

scenario('an attachment taken by another add-on falls back to a colour, and --as names it', async () => {
  await ok('apps:create', 'udon');
  await ok('config:set', 'DATABASE_URL=postgres://elsewhere/x', '-a', 'udon');
  await ok('addons:create', ISOLATED, '-a', 'udon', '--as', 'LEDGER', '--name', 'udon-ledger', '--wait');
  const config = await installation.config('udon');
  expect(Object.keys(config).sort()).toEqual([
    'DATABASE_URL',
    'LEDGER_READONLY_URL',
    'LEDGER_TUNNEL_BPG_CONN_INFO',
    'LEDGER_URL',
  ]);
  await ok('addons:attach', 'udon-ledger', '-a', 'udon', '--as', 'BOOKS');
  const attached = await installation.config('udon');
  expect(attached.BOOKS_URL).toBe(attached.LEDGER_URL);
  await ok('addons:detach', 'BOOKS', '-a', 'udon');
  expect(Object.keys(await installation.config('udon'))).not.toContain('BOOKS_URL');
});

scenario(
  'heroku addons:upgrade and addons:downgrade change the plan in place, with all that is in the database',
  async () => {
    const run = (sql: string) => ok('borealis-pg:run', '-a', 'udon', '-o', 'LEDGER', '-f', 'csv', '-w', '-d', sql);
    const untilPlan = (plan: string) =>
      until(`the plan ${plan}`, async () => {
        const { stdout } = await cli.ask('borealis-pg:info', '-a', 'udon', '-o', 'LEDGER');
        return new RegExp(`Plan Name: ${plan}\\b`).test(stdout) && /Status: Available/.test(stdout);
      });
    await run('create table plan as select 42 as answer');
    const before = await installation.config('udon');
    const larger = await ok('addons:upgrade', 'udon-ledger', 'borealis-pg:x1-s100-p2-r4', '-a', 'udon');
    expect(larger.stdout + larger.stderr).toContain('Add-on plan change is in progress.');
    await untilPlan('x1-s100-p2-r4');
    expect((await run('show shared_buffers')).stdout).toContain('512MB');
    expect((await run('select answer from plan')).stdout).toContain('42');
    expect(await installation.config('udon')).toEqual(before);
    await ok('addons:downgrade', 'udon-ledger', ISOLATED, '-a', 'udon');
    await untilPlan('x1-s10-p1-r1');
    expect((await run('show shared_buffers')).stdout).toContain('64MB');
    await until('the end of both changes in the app’s log', async () => {
      const { stdout } = await cli.ask('logs', '-a', 'udon', '-n', '1500');
      return /event=plan-change-completed plan=x1-s100-p2-r4[\s\S]*event=plan-change-completed plan=x1-s10-p1-r1/.test(
        stdout,
      );
    });
  },
);

scenario('borealis-pg:run gives a shell command the tunnel, and tells an SQL error by its exit status', async () => {
  // Without psql on the machine the half that needs none still runs.
  if (hasPsql) {
    const answer = await cli.run(
      'borealis-pg:run',
      '-a',
      'udon',
      '-o',
      'LEDGER',
      '--port',
      String(await freePort()),
      '--shell-cmd',
      `psql -Atc "select 6*7"`,
    );
    expect(answer.code, answer.stderr).toBe(0);
    expect(answer.stdout).toContain('42');
  }
  const failed = await cli.run(
    'borealis-pg:run',
    '-a',
    'udon',
    '-o',
    'LEDGER',
    '--port',
    String(await freePort()),
    '--db-cmd',
    'select nonsense',
  );
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('nonsense');
});

scenario(
  'borealis-pg:extensions installs what is needed, lists and removes, and says what stands in the way',
  async () => {
    const install = ['borealis-pg:extensions:install', 'earthdistance', '-a', 'udon', '-o', 'LEDGER'];
    await refused(install, /needs extensions that are not installed: cube\. .*--recursive/);
    const installed = await ok(...install, '--recursive');
    expect(installed.stdout).toMatch(
      /^- earthdistance \(version: \S+, schema: \S+\)\n- cube \(version: \S+, schema: \S+\)\n$/,
    );
    expect(installed.stderr).toContain('Installing Postgres extension earthdistance for add-on udon-ledger... done');
    const listed = await ok('borealis-pg:extensions', '-o', 'udon-ledger');
    for (const line of installed.stdout.trim().split('\n')) expect(listed.stdout).toContain(line);
    const cube = ['-d', 'select cube_dim(cube(1, 2)) as dimensions', '-f', 'json'];
    const used = await ok('borealis-pg:run', '-a', 'udon', '-o', 'LEDGER', ...cube);
    expect(JSON.parse(used.stdout)).toEqual([{ dimensions: 1 }]);

    const remove = (name: string) => ['borealis-pg:extensions:remove', name, '-a', 'udon', '-o', 'LEDGER'];
    await refused([...remove('cube'), '--confirm', 'cube'], /earthdistance/);
    await ok(...remove('earthdistance'), '--confirm', 'earthdistance');
  },
);

scenario('borealis-pg:integrations lets a service in with the values that it prints, until it is removed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'etl-'));
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ETL service', '-f', join(directory, 'key')]);
  const key = readFileSync(join(directory, 'key.pub'), 'utf8').trim();
  const where = ['-a', 'udon', '-o', 'LEDGER', '--name', 'etl'];
  // Without quotes a shell hands the key over in three pieces.
  const registered = await ok('borealis-pg:integrations:register', ...where, ...key.split(' '));
  const field = (name: string) => new RegExp(`^ *${name}: (.+)$`, 'm').exec(registered.stdout)![1]!;
  const tunnel = await openTunnel(
    {
      host: field('SSH Host'),
      port: Number(field('SSH Port')),
      hostKey: field('SSH Server Public Host Key'),
      username: field('SSH Username'),
      privateKey: readFileSync(join(directory, 'key'), 'utf8'),
    },
    { host: field('Database Host'), port: Number(field('Database Port')) },
  );
  const [user, password, name] = ['Database Username', 'Database Password', 'Database Name'].map(field);
  const url = `postgres://${user}:${password}@127.0.0.1:${tunnel.localPort}/${name}`;
  const me = await query(url, installation.environment.BOREALIS_CA_FILE!, 'select current_user as me');
  expect(me).toEqual([{ me: user }]);

  await refused(['borealis-pg:integrations:register', ...where, key], /already registered/);
  const listed = await ok('borealis-pg:integrations', '-a', 'udon', '-o', 'LEDGER');
  expect(listed.stdout).toContain('Data Integration | DB Username');
  expect(listed.stdout).toMatch(
    new RegExp(`^ etl +\\| ${user} +\\| ${field('SSH Username')} +\\| false +\\| \\d{4}-`, 'm'),
  );
  await ok('borealis-pg:integrations:deregister', ...where, '--confirm', 'etl');
  await until('the tunnel to be closed', () => tunnel.ssh.exitCode !== null);
  await refused(['borealis-pg:integrations:remove', ...where, '-c', 'etl'], /etl does not exist/);
  await tunnel.close();
  rmSync(directory, { recursive: true });
});

scenario('borealis-pg:users shows who has credentials, and users:reset makes them anew', async () => {
  await ok('borealis-pg:run', '-a', 'udon', '-o', 'LEDGER', '-u', '-d', 'select 1');
  const users = (await ok('borealis-pg:users', '-a', 'udon', '-o', 'LEDGER')).stdout;
  expect(users).toMatch(/^ Heroku App User +\| app_ro_\w+ +\| app_rw_\w+$/m);
  expect(users).toMatch(/^ \S+@\S+ +\| p_ro_\w+ +\| p_rw_\w+$/m);
  const before = await installation.config('udon');
  await ok('borealis-pg:users:reset', '-a', 'udon', '-o', 'LEDGER');
  await until('new config vars', async () => {
    const { LEDGER_URL } = await installation.config('udon');
    return LEDGER_URL !== before.LEDGER_URL;
  });
  const answer = await ok('borealis-pg:run', '-a', 'udon', '-o', 'LEDGER', '-d', 'select 6 * 7 as answer', '-f', 'csv');
  expect(answer.stdout).toBe('answer\n42\n');
  const events = ['data-integration-registered', 'data-integration-deregistered', 'db-credentials-full-reset'];
  await until(
    'what was done to be in the app’s log',
    async () => {
      const { stdout } = await cli.ask('logs', '-a', 'udon', '-n', '1500');
      return events.every((event) => stdout.includes(`source=udon-ledger event=${event}`));
    },
    180,
  );
});

/** A refusal: exit code 2 and a sentence, which the CLI breaks and begins each line of with a mark. */
async function refused(args: string[], sentence: RegExp): Promise<void> {
  const { code, stderr } = await cli.ask(...args);
  expect(stderr.replace(/\s+(›\s+)?/g, ' ')).toMatch(sentence);
  expect(code).toBe(2);
}
