import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation } from '../support/installation.js';
import { Pauses } from '../support/pauses.js';
import { type Cli, cliFor } from '../support/plugin.js';
import { kill9 } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { connectThrough, query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

let pauses: Pauses;
let installation: Installation;
let cli: Cli;

beforeAll(async () => {
  pauses = new Pauses();
  installation = await Installation.start({ env: pauses.env });
  cli = await cliFor(installation);
}, 300_000);

afterAll(async () => {
  cli?.remove();
  await installation?.stop();
  pauses?.remove();
});

type Config = Record<string, string>;

const ca = () => installation.environment.BOREALIS_CA_FILE!;
const clusters = () => readdirSync(join(installation.home, 'clusters')).filter((id) => id !== 'control');

async function heroku(...args: string[]): Promise<string> {
  const result = await cli.ask(...args);
  expect(result.code, `heroku ${args.join(' ')}: ${result.stdout}${result.stderr}`).toBe(0);
  return result.stdout;
}

async function open(config: Config) {
  const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  return { url: throughPort(config.DATABASE_URL!, tunnel.localPort), close: () => tunnel.close() };
}

scenario(
  'addons:create without a plan gives a database in a cluster that apps share, and nobody enters another’s',
  async () => {
    for (const app of ['one', 'two']) {
      await heroku('apps:create', app);
      await heroku('addons:create', 'borealis-pg', '-a', app, '--wait');
    }
    expect(clusters()).toHaveLength(1);
    const info = await heroku('borealis-pg:info', '-a', 'one');
    expect(info).toContain('Multi-tenant');
    expect(info).toContain('dev');
    const [one, two] = [await installation.config('one'), await installation.config('two')];
    expect(appTunnelUser(one).hostKey).toBe(appTunnelUser(two).hostKey);
    const tunnel = await open(one);
    await query(tunnel.url, ca(), 'create table mine as select 1 as n');
    // The other's own role and password, through this tunnel: the gateway knows whose key opened it.
    const foreign = new URL(two.DATABASE_URL!);
    const own = new URL(tunnel.url);
    for (const [user, password, database] of [
      [foreign.username, foreign.password, foreign.pathname],
      [own.username, own.password, foreign.pathname],
    ] as const) {
      const attempt = new URL(tunnel.url);
      Object.assign(attempt, { username: user, password, pathname: database });
      await expect(connectThrough(attempt.toString(), ca())).rejects.toMatchObject({ code: '28P01' });
    }
    await tunnel.close();
  },
);

scenario(
  'who leaves a shared cluster takes his database along, with the service killed on the way; the other goes on',
  async () => {
    const [one, two] = [await installation.config('one'), await installation.config('two')];
    const tunnel = await open(two);
    const client = await connectThrough(tunnel.url, ca());
    await client.query('create table kept as select 7 as n');
    const gone = new URL(one.DATABASE_URL!).pathname.slice(1);
    const listed = async () =>
      (await client.query<{ datname: string }>('select datname from pg_database')).rows.map(({ datname }) => datname);
    expect(await listed()).toContain(gone);
    const stops = (['destroyCluster', 'forget'] as const).map((label) => pauses.at('after', label));
    await heroku('addons:destroy', 'borealis-pg', '-a', 'one', '--confirm', 'one');
    for (const stop of stops) {
      await stop.reached();
      kill9(installation.pid('service'));
      stop.release();
    }
    await until(
      'the add-on to be gone',
      async () => (await installation.platform<[]>('GET', '/apps/one/addons')).length === 0,
    );
    await until('its database to be dropped', async () => !(await listed()).includes(gone));
    expect((await client.query('select n from kept')).rows).toEqual([{ n: 7 }]);
    const roles = await client.query<{ rolname: string }>(
      `select rolname from pg_roles where rolname ~ '^(app|readers)_'`,
    );
    expect(roles.rows.filter(({ rolname }) => rolname === new URL(one.DATABASE_URL!).username)).toEqual([]);
    await expect(open(one)).rejects.toThrow();
    await client.end();
    await tunnel.close();
  },
);
