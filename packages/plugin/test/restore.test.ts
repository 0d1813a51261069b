import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import Capabilities from '../src/commands/borealis-pg/restore/capabilities.js';
import Execute from '../src/commands/borealis-pg/restore/execute.js';
import { PublishedPlugin } from '../src/testing/published-plugin.js';
import { ok, RESTORABLE } from './support/answers.js';
import { ApiServer } from './support/api-server.js';
import type { Finished } from './support/cli.js';
import { AUTHORIZE, layOutHeroku, RESOURCE, REVOKE } from './support/heroku.js';
import { flat, runAtTerminal } from './support/terminal.js';

const pauses: number[] = [];
vi.mock('node:timers/promises', () => ({ setTimeout: async (ms: number) => void pauses.push(ms) }));

const SOURCE = 'borealis-pg-hex-12345';
const COPY = 'borealis-pg-flat-67890';
const TOKENS = `${RESOURCE}/restore-tokens`;
const CREATION = 'POST /apps/sushi/addons';
const GET_COPY = `GET /addons/${COPY}`;
const GET_STATUS = `GET /heroku/resources/${COPY}`;
const TIME = '2023-03-05T15:05:17.485-08:00';

const api = new ApiServer();
process.env.TZ = 'UTC';

beforeAll(() => api.start());
afterAll(() => api.stop());
beforeEach(() => {
  pauses.length = 0;
  api.requests.length = 0;
  api.answers.clear();
  layOutHeroku(api);
  const source = { id: 'addon-1', name: SOURCE, app: { name: 'sushi' }, plan: { name: 'borealis-pg:x1-s10-p1-r1' } };
  api.answers.set(`GET /addons/${SOURCE}`, ok(source));
  api.answers.set(`POST ${TOKENS}`, { status: 201, body: { restoreToken: 'restore-token-1' } });
  for (const app of ['sushi', 'ramen'])
    api.answers.set(`POST /apps/${app}/addons`, { status: 201, body: { name: COPY, state: 'provisioning' } });
});

test('capabilities are an aligned list with times to the microsecond, and JSON with --json', async () => {
  api.answers.set(`GET ${RESOURCE}/restore-capabilities`, ok(RESTORABLE));
  const list = await run(Capabilities, []);
  expect(list.stdout).toBe(
    [
      '',
      '               Cloning Supported: Yes',
      ' Point-in-time Restore Supported: Yes',
      '        Earliest Restorable Time: 2026-02-26T15:05:17.000001+00:00',
      '          Latest Restorable Time: 2026-03-05T15:05:17.485123+00:00',
      '',
    ].join('\n'),
  );
  expect(JSON.parse((await run(Capabilities, ['--json'])).stdout)).toEqual(RESTORABLE);
  const none = { cloneSupported: false, restoreSupported: false };
  const never = { ...none, earliestRestorableTime: null, latestRestorableTime: null };
  api.answers.set(`GET ${RESOURCE}/restore-capabilities`, ok(never));
  expect((await run(Capabilities, [])).stdout).toMatch(/Cloning Supported: No\n.*: No\n.*Time: N\/A\n.*Time: N\/A\n/);
  expect(Capabilities.aliases).toEqual(['borealis-pg:restore:info']);
});

describe('execute', () => {
  test('asks for the source, a token, and then a clone of the same plan on its app', async () => {
    const { code, stdout } = await run(Execute, []);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        `${COPY} is being created in the background. The app sushi will restart when complete...\n` +
        `Use heroku addons:wait ${COPY} to wait for it\n`,
    });
    expect(api.log.slice(2)).toEqual([
      `GET /addons/${SOURCE}`,
      AUTHORIZE,
      `POST ${TOKENS}`,
      REVOKE,
      `${CREATION} {"config":{"restore-token":"restore-token-1"},"plan":"borealis-pg:x1-s10-p1-r1"}`,
    ]);
  });

  test('passes the time on as it was written, with another app, plan and attachment name', async () => {
    const there = ['--destination-app', 'ramen', '--new-plan', 'x1-s100-p2-r4', '--as', 'RESTORED'];
    await run(Execute, ['--restore-to-time', TIME, ...there]);
    expect(api.of('POST', '/apps/ramen/addons')[0]?.body).toBe(
      `{"config":{"restore-token":"restore-token-1","restore-to-time":"${TIME}"},"plan":"borealis-pg:x1-s100-p2-r4",` +
        '"attachment":{"name":"RESTORED"}}',
    );
    await run(Execute, ['-t', TIME, '-d', 'ramen', '-n', 'borealis-pg:x1-s100-p2-r4']);
    expect(JSON.parse(api.of('POST', '/apps/ramen/addons')[1]!.body).plan).toBe('borealis-pg:x1-s100-p2-r4');
  });

  test('--wait looks at Heroku every 5 s, then at the add-on API every 150 s under a new token each time', async () => {
    const states = ['provisioning', 'provisioning', 'provisioned'];
    const statuses = ['configuring', 'available'];
    api.answers.set(GET_COPY, () => ok({ name: COPY, state: states.shift() }));
    api.answers.set(GET_STATUS, () => ok(infoOf(statuses.shift()!)));
    const { code, stdout } = await run(Execute, ['--wait']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(pauses).toEqual([5_000, 5_000, 150_000]);
    const look = [AUTHORIZE, GET_STATUS, REVOKE];
    expect(api.log.slice(7)).toEqual([GET_COPY, GET_COPY, GET_COPY, ...look, ...look]);
  });

  test.each([
    ['Heroku knows it no more', { [GET_COPY]: { status: 404, body: { id: 'not_found', message: 'x' } } }],
    ['Heroku takes it away', { [GET_COPY]: ok({ state: 'deprovisioned' }) }],
    [
      'the add-on API knows it no more',
      {
        [GET_COPY]: ok({ state: 'provisioned' }),
        [GET_STATUS]: { status: 404, body: { reason: 'x', resourceType: 'addon' } },
      },
    ],
  ])('a copy that is given up ends --wait with a sentence: %s', async (_, answers) => {
    for (const [request, answer] of Object.entries(answers)) api.answers.set(request, answer);
    const { code, stderr } = await run(Execute, ['--wait']);
    expect(flat(stderr)).toContain(`Provisioning cancelled: add-on ${COPY} is gone`);
    expect(code).toBe(2);
  });

  test.each([
    [400, { reason: 'An add-on of the plan "dev" cannot be cloned.' }, 'An add-on of the plan "dev" cannot be cloned.'],
    [404, { reason: 'x', resourceType: 'addon' }, 'is not a Borealis Isolated Postgres'],
    [422, { reason: 'x' }, 'is not finished provisioning'],
    [423, { reason: 'x' }, 'major version upgrade'],
    [500, {}, 'Add-on service is temporarily unavailable. Try again later.'],
  ])('without a restore token (%i) nothing is created', async (status, body, sentence) => {
    api.answers.set(`POST ${TOKENS}`, { status, body });
    const { code, stderr } = await run(Execute, []);
    expect(flat(stderr)).toContain(sentence);
    expect(code).toBe(2);
    expect(api.log.at(-1)).toBe(REVOKE);
  });

  test('what the service says about a time reaches the person', async () => {
    const message = 'The time to restore to, "yesterday", is not understood.';
    api.answers.set(CREATION, { status: 422, body: { id: 'invalid_params', message } });
    const { code, stderr } = await run(Execute, ['-t', 'yesterday']);
    expect(flat(stderr)).toContain(message);
    expect(code).toBe(2);
  });

  test('asks for the token as the published plugin does, but for its name', async () => {
    await run(Execute, []);
    const [ours] = api.of('POST', TOKENS);
    await new PublishedPlugin({ baseUrl: api.url, token: 'temporary-token', addonName: SOURCE }).restoreToken();
    const [, theirs] = api.of('POST', TOKENS);
    const unnamed = ({ headers: { 'user-agent': _, ...headers }, body }: typeof ours & object) => ({ headers, body });
    expect(unnamed(ours!)).toEqual(unnamed(theirs!));
  });
});

function infoOf(status: string) {
  return {
    ...{ addonName: COPY, appDbName: null, createdAt: '2026-03-05T15:05:17.485Z', dbStorageMaxBytes: 1 },
    ...{ dbStorageUsageBytes: 1, dbTenancyType: 'isolated', planName: 'x1-s10-p1-r1', postgresVersion: '16.4' },
    ...{ region: 'us-east-1', replicaQuantity: 0, restoreSourceAddonName: SOURCE, status },
    ...{ storageComplianceDeadline: null, storageComplianceStatus: 'ok' },
  };
}

function run(command: unknown, args: string[]): Promise<Finished> {
  return runAtTerminal(api.url, command, args);
}
