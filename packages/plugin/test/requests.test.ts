import { beforeEach, describe, expect, test } from 'vitest';
import BorealisPg from '../src/commands/borealis-pg/index.js';
import Info from '../src/commands/borealis-pg/info.js';
import Psql from '../src/commands/borealis-pg/psql.js';
import Run from '../src/commands/borealis-pg/run.js';
import Tunnel from '../src/commands/borealis-pg/tunnel.js';
import { useApi } from './support/api.js';
import { Cli, type Finished, until } from './support/cli.js';
import { ATTACHMENT, AUTHORIZE, RESOURCE, REVOKE } from './support/heroku.js';
import { runHere } from './support/in-process.js';
import { flat } from './support/terminal.js';

const INFO = {
  addonName: 'borealis-pg-hex-12345',
  appDbName: null,
  createdAt: '2026-03-05T15:05:17.485Z',
  dbStorageMaxBytes: 10 * 1024 ** 3,
  dbStorageUsageBytes: 8 * 1024 ** 2,
  dbTenancyType: 'isolated',
  planName: 'x1-s10-p1-r1',
  postgresVersion: '16.4',
  region: 'local',
  replicaQuantity: 0,
  restoreSourceAddonName: null,
  status: 'configuring',
  storageComplianceDeadline: null,
  storageComplianceStatus: 'ok',
};
const RESOLVE = 'POST /actions/addon-attachments/resolve';
const { api } = useApi();

beforeEach(() => {
  api.answers.set(`GET ${RESOURCE}`, { status: 200, body: INFO });
});

describe('finding the add-on', () => {
  test('by --app alone: the add-ons of the app, then the attachments of ours', async () => {
    const { code } = await run(api.url, ['borealis-pg:info', '-a', 'sushi']);
    expect(code).toBe(0);
    expect(api.log).toEqual([
      'GET /apps/sushi/addons',
      'GET /addons/addon-1/addon-attachments',
      AUTHORIZE,
      `GET ${RESOURCE}`,
      REVOKE,
    ]);
  });

  test('by --addon: resolved with the app when it is given and without the key when not', async () => {
    await run(api.url, ['borealis-pg', '-o', 'DATABASE', '-a', 'sushi']);
    await run(api.url, ['borealis-pg:info', '-o', 'borealis-pg-hex-12345']);
    expect(api.of('POST', '/actions/addon-attachments/resolve').map(({ body }) => body)).toEqual([
      '{"app":"sushi","addon_attachment":"DATABASE"}',
      '{"addon_attachment":"borealis-pg-hex-12345"}',
    ]);
    expect(api.log.filter((line) => line === 'GET /addons/addon-1')).toHaveLength(2);
  });

  test.each([
    ['none', [], 'App sushi has no Borealis Isolated Postgres add-on'],
    ['two', ['one', 'two'], 'App sushi has several Borealis Isolated Postgres add-ons (one, two)'],
  ])('an app with %s of ours is a sentence', async (_, names, sentence) => {
    const body = names.map((name) => ({ id: name, name, addon_service: { name: 'borealis-pg' } }));
    api.answers.set('GET /apps/sushi/addons', { status: 200, body });
    await refused(['borealis-pg:info', '-a', 'sushi'], sentence);
  });

  test('a name that stands for several databases is never guessed', async () => {
    const other = { ...ATTACHMENT, app: { name: 'ramen' }, addon: { id: 'addon-2', name: 'borealis-pg-flat-2' } };
    api.answers.set(RESOLVE, { status: 200, body: [ATTACHMENT, other] });
    await refused(['borealis-pg:info', '-o', 'DATABASE'], 'stands for several add-ons');
  });

  test("another service's add-on is refused before any token exists", async () => {
    api.answers.set('GET /addons/addon-1', {
      status: 200,
      body: { id: 'addon-1', name: 'redis-1', addon_service: { name: 'redis' } },
    });
    await refused(['borealis-pg:info', '-o', 'redis-1'], 'is not a Borealis Isolated Postgres add-on');
  });

  test('an unknown name asks for --app, and says so when it was there', async () => {
    api.answers.set(RESOLVE, { status: 404, body: { id: 'not_found', message: 'x', resource: 'add_on attachment' } });
    await refused(['borealis-pg:info', '-o', 'NOPE'], 'Consider trying again with --app');
    await refused(['borealis-pg:info', '-o', 'NOPE', '-a', 'sushi'], 'was not found on app sushi');
  });

  test('without --app and --addon nothing is asked', async () => {
    await refused(['borealis-pg:info'], '--app APP, --addon ADDON, or both');
    expect(api.log).toEqual([]);
  });

  /** A refusal: exit code 2, the sentence, and no token was ever made. */
  async function refused(args: string[], sentence: string): Promise<void> {
    const { code, stderr } = await run(api.url, args);
    expect(flat(stderr)).toContain(sentence);
    expect(code).toBe(2);
    expect(api.log).not.toContain(AUTHORIZE);
  }
});

describe('the add-on API', () => {
  test('gets the temporary token and nothing but it', async () => {
    await run(api.url, ['borealis-pg:info', '-a', 'sushi']);
    const [request] = api.of('GET', RESOURCE);
    expect(request?.headers.authorization).toBe('Bearer temporary-token');
    expect(request?.headers['user-agent']).toMatch(/^borealis-pg-cli node-v/);
    const platform = api.requests.filter(({ path }) => !path.startsWith('/heroku/'));
    expect(new Set(platform.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer long-lived-key']));
  });

  test('info is an aligned list, and JSON with --json', async () => {
    const list = await run(api.url, ['borealis-pg:info', '-a', 'sushi']);
    expect(list.stdout).toContain('                 Add-on Name: borealis-pg-hex-12345\n');
    expect(list.stdout).not.toContain('Clean-up');
    expect(list.stdout).toContain('                      Status: Provisioning\n');
    expect(list.stdout).toContain('                Storage Used: 0.008 GiB\n');
    expect(list.stdout).toContain('                  Created At: 2026-03-05T15:05:17.485+00:00\n');
    const json = await run(api.url, ['borealis-pg:info', '-a', 'sushi', '--json']);
    expect(JSON.parse(json.stdout)).toEqual(INFO);
  });

  test.each([
    [{ cleanupWindowUntil: '2026-03-05T15:35:00.000Z' }, 'Open until 2026-03-05T15:35:00.000+00:00'],
    [{ cleanupWindowAvailableAt: '2026-03-05T15:35:00.000Z' }, 'Can be opened now (borealis-pg:storage:cleanup)'],
    [{ cleanupWindowAvailableAt: '2999-01-01T00:00:00.000Z' }, 'Can be opened from 2999-01-01T00:00:00.000+00:00 on'],
  ])('info of a database that is over its limit tells of the clean-up window: %j', async (more, text) => {
    api.answers.set(`GET ${RESOURCE}`, { status: 200, body: { ...INFO, ...more } });
    const { stdout } = await run(api.url, ['borealis-pg:info', '-a', 'sushi']);
    expect(stdout).toContain(`             Clean-up Window: ${text}`);
  });

  test.each([
    [400, 'wrong in some way'],
    [403, 'wrong in some way'],
    [404, 'is not a Borealis Isolated Postgres add-on'],
    [422, 'is not finished provisioning'],
    [423, 'major version upgrade'],
    [401, 'Add-on service is temporarily unavailable. Try again later.'],
    [500, 'Add-on service is temporarily unavailable. Try again later.'],
  ])('status %i is a sentence, exit code 2, and the token is deleted', async (status, sentence) => {
    api.answers.set(`POST ${RESOURCE}/personal-ssh-users`, { status, body: { reason: 'wrong in some way' } });
    api.answers.set(`POST ${RESOURCE}/personal-db-users`, { status: 500, body: {} });
    const { code, stderr } = await run(api.url, ['borealis-pg:tunnel', '-a', 'sushi']);
    expect(flat(stderr)).toContain(sentence);
    expect(code).toBe(2);
    expect(api.log.at(-1)).toBe(REVOKE);
  });

  test('is asked for both personal users: an empty POST, and what access the other shall have', async () => {
    await run(api.url, ['borealis-pg:psql', '-a', 'sushi', '-w']);
    const [ssh] = api.of('POST', `${RESOURCE}/personal-ssh-users`);
    expect(ssh?.headers['content-length']).toBe('0');
    expect(ssh?.headers['content-type']).toBeUndefined();
    const [database] = api.of('POST', `${RESOURCE}/personal-db-users`);
    expect(database?.body).toBe('{"enableWriteAccess":true}');
    expect(database?.headers['content-type']).toBe('application/json');
  });

  test('that cannot be reached is a sentence with the cause, and the token is deleted', async () => {
    const { code, stderr } = await run(api.url, ['borealis-pg:info', '-a', 'sushi'], {
      BOREALIS_PG_API_BASE_URL: 'http://127.0.0.1:1',
    });
    expect(flat(stderr)).toMatch(/temporarily unavailable.*127\.0\.0\.1:1/);
    expect(code).toBe(2);
    expect(api.log.at(-1)).toBe(REVOKE);
  });

  test('is not followed to somewhere else with the token', async () => {
    api.answers.set(`GET ${RESOURCE}`, () => ({ status: 302, body: {} }));
    const { code } = await run(api.url, ['borealis-pg:info', '-a', 'sushi']);
    expect(code).toBe(2);
    expect(api.log.at(-1)).toBe(REVOKE);
  });

  test('Ctrl+C while it is asked still deletes the token', async () => {
    api.answers.set(`GET ${RESOURCE}`, { status: 0, body: {} });
    const cli = new Cli(api.url, ['borealis-pg:info', '-a', 'sushi']);
    await until(() => api.of('GET', RESOURCE).length > 0);
    cli.process.kill('SIGINT');
    const { code } = await cli.finished;
    expect(code).toBe(130);
    expect(api.log.at(-1)).toBe(REVOKE);
  });

  test('a token that cannot be deleted is told, and does not spoil the command', async () => {
    api.answers.set('DELETE /oauth/authorizations/authorization-1', { status: 500, body: { message: 'x' } });
    const { code, stdout, stderr } = await run(api.url, ['borealis-pg:info', '-a', 'sushi']);
    expect(flat(stderr)).toContain('could not be deleted');
    expect(stdout).toContain('Add-on Name');
    expect(code).toBe(0);
  });
});

describe('run', () => {
  test("asks for the app's credentials in its config var, and for an SSH user only", async () => {
    api.answers.set('GET /apps/sushi/config-vars', { status: 200, body: { OTHER: 'x' } });
    api.answers.set(`POST ${RESOURCE}/personal-ssh-users`, { status: 500, body: {} });
    await run(api.url, ['borealis-pg:run', '-a', 'sushi', '-d', 'SELECT 1']);
    expect(api.log.slice(2).sort()).toEqual(
      [AUTHORIZE, 'GET /apps/sushi/config-vars', `POST ${RESOURCE}/personal-ssh-users`, REVOKE].sort(),
    );
  });

  test.each([
    [{}, 'has no config var DATABASE_TUNNEL_BPG_CONN_INFO'],
    [{ DATABASE_TUNNEL_BPG_CONN_INFO: 'POSTGRES_DB_NAME:=d' }, 'is not valid'],
    [{ DATABASE_TUNNEL_BPG_CONN_INFO: 'nonsense' }, 'is not valid'],
  ])('a config var that is missing or wrong is a sentence: %j', async (vars, sentence) => {
    api.answers.set('GET /apps/sushi/config-vars', { status: 200, body: vars });
    api.answers.set(`POST ${RESOURCE}/personal-ssh-users`, {
      status: 201,
      body: { sshHost: 'h', sshUsername: 'u', sshPrivateKey: 'k', publicSshHostKey: 'ssh-ed25519 AAAA' },
    });
    const { code, stderr } = await run(api.url, ['borealis-pg:run', '-a', 'sushi', '-d', 'SELECT 1']);
    expect(flat(stderr)).toContain(sentence);
    expect(code).toBe(2);
  });

  test.each([
    [[], 'Exactly one of the following must be provided'],
    [['-d', 'SELECT 1', '-e', 'true'], '--db-cmd cannot also be provided when using --shell-cmd'],
    [['-e', 'true', '-f', 'csv'], '--format'],
    [['-d', 'SELECT 1', '-f', 'xml'], 'table, csv, json, yaml'],
    [['-d', 'SELECT 1', '-p', '0'], 'greater than or equal to 1'],
    [['-i', '/does/not/exist.sql'], 'There is no file /does/not/exist.sql'],
    [['-i', '/'], 'is a directory'],
  ])('arguments that make no sense cost no request: %j', async (args, sentence) => {
    const { code, stderr } = await run(api.url, ['borealis-pg:run', '-a', 'sushi', ...args]);
    expect(flat(stderr)).toContain(sentence);
    expect(code).toBe(2);
    expect(api.log).toEqual([]);
  });
});

const COMMANDS: Record<string, unknown> = {
  'borealis-pg': BorealisPg,
  'borealis-pg:info': Info,
  'borealis-pg:psql': Psql,
  'borealis-pg:run': Run,
  'borealis-pg:tunnel': Tunnel,
};

function run(apiUrl: string, [name = '', ...args]: string[], env?: Record<string, string>): Promise<Finished> {
  return runHere(apiUrl, COMMANDS[name], args, env);
}
