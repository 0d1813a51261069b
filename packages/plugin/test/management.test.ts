import { describe, expect, test } from 'vitest';
import Extensions from '../src/commands/borealis-pg/extensions/index.js';
import Install from '../src/commands/borealis-pg/extensions/install.js';
import RemoveExtension from '../src/commands/borealis-pg/extensions/remove.js';
import Integrations from '../src/commands/borealis-pg/integrations/index.js';
import Register from '../src/commands/borealis-pg/integrations/register.js';
import RemoveIntegration from '../src/commands/borealis-pg/integrations/remove.js';
import Capabilities from '../src/commands/borealis-pg/restore/capabilities.js';
import Cleanup from '../src/commands/borealis-pg/storage/cleanup.js';
import Cancel from '../src/commands/borealis-pg/upgrade/cancel.js';
import Execute from '../src/commands/borealis-pg/upgrade/execute.js';
import UpgradeInfo from '../src/commands/borealis-pg/upgrade/info.js';
import Users from '../src/commands/borealis-pg/users/index.js';
import Reset from '../src/commands/borealis-pg/users/reset.js';
import { PublishedPlugin, type RecordedAnswer } from '../src/testing/published-plugin.js';
import { GONE, HSTORE, INTEGRATION, KEY, ok, REGISTERED, RESTORABLE, USERS } from './support/answers.js';
import { useApi } from './support/api.js';
import type { RecordedRequest } from './support/api-server.js';
import { AUTHORIZE, RESOURCE, REVOKE } from './support/heroku.js';
import { flat } from './support/terminal.js';

const EXTENSIONS = `${RESOURCE}/pg-extensions`;
const UPGRADES = `${RESOURCE}/pg-version-upgrades`;
const INTEGRATIONS = `${RESOURCE}/data-integrations`;

/** Every command: its arguments, its request, a success, and what the published plugin sends for it. */
const COMMANDS: [
  name: string,
  command: unknown,
  args: string[],
  request: string,
  success: { status: number; body: unknown },
  published?: (plugin: PublishedPlugin) => Promise<RecordedAnswer>,
][] = [
  ['extensions', Extensions, [], `GET ${EXTENSIONS}`, ok({ extensions: [HSTORE] }), (plugin) => plugin.extensions()],
  [
    'extensions:install',
    Install,
    ['hstore'],
    `POST ${EXTENSIONS}`,
    { status: 201, body: { pgExtensionSchema: 'hstore', pgExtensionVersion: '1.8' } },
    (plugin) => plugin.installExtension('hstore'),
  ],
  [
    'extensions:remove',
    RemoveExtension,
    ['uuid-ossp', '-c', 'uuid-ossp'],
    `DELETE ${EXTENSIONS}/uuid-ossp`,
    ok(GONE),
    (plugin) => plugin.removeExtension('uuid-ossp'),
  ],
  [
    'integrations',
    Integrations,
    [],
    `GET ${INTEGRATIONS}`,
    ok({ integrations: [INTEGRATION] }),
    (plugin) => plugin.integrations(),
  ],
  [
    'integrations:register',
    Register,
    ['-n', 'etl', '-w', ...`${KEY} ETL service`.split(' ')],
    `POST ${INTEGRATIONS}`,
    { status: 201, body: REGISTERED },
    (plugin) => plugin.registerIntegration('etl', `${KEY} ETL service`, true),
  ],
  [
    'integrations:remove',
    RemoveIntegration,
    ['-n', 'etl', '-c', 'etl'],
    `DELETE ${INTEGRATIONS}/etl`,
    ok(GONE),
    (plugin) => plugin.removeIntegration('etl'),
  ],
  ['users', Users, [], `GET ${RESOURCE}/db-users`, ok({ users: USERS }), (plugin) => plugin.users()],
  ['users:reset', Reset, [], `DELETE ${RESOURCE}/db-users/credentials`, ok(GONE), (plugin) => plugin.resetUsers()],
  [
    'restore:capabilities',
    Capabilities,
    [],
    `GET ${RESOURCE}/restore-capabilities`,
    ok(RESTORABLE),
    (plugin) => plugin.restoreCapabilities(),
  ],
  [
    'upgrade:info',
    UpgradeInfo,
    [],
    `GET ${UPGRADES}`,
    ok({ currentPgMajorVersion: '16', nextPgMajorVersion: null, upgradeStatus: 'maximum' }),
    (plugin) => plugin.upgradeInfo(),
  ],
  ['upgrade:cancel', Cancel, [], `DELETE ${UPGRADES}/current`, ok({}), (plugin) => plugin.cancelUpgrade()],
  [
    'upgrade:execute',
    Execute,
    [],
    `POST ${UPGRADES}`,
    { status: 202, body: { currentPgMajorVersion: '15', targetPgMajorVersion: '16' } },
    (plugin) => plugin.executeUpgrade(),
  ],
  [
    'storage:cleanup',
    Cleanup,
    [],
    `POST ${RESOURCE}/cleanup-window`,
    { status: 201, body: { until: '2026-03-05T15:35:17.485Z' } },
  ],
];

const { api, run } = useApi();

describe.each(COMMANDS)('%s', (_, command, args, request, success) => {
  test('asks with a temporary token that is deleted, and ends with 0', async () => {
    api.answers.set(request, success);
    const { code, stderr } = await run(command, args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [authorize, asked, revoke] = api.log.slice(-3);
    expect([authorize, asked?.split(' {')[0], revoke]).toEqual([AUTHORIZE, request, REVOKE]);
  });

  test.each([
    [404, { reason: 'x', resourceType: 'addon' }, 'Add-on borealis-pg-hex-12345 is not a Borealis Isolated Postgres'],
    [422, { reason: 'x' }, 'is not finished provisioning'],
    [423, { reason: 'x' }, 'major version upgrade'],
    [403, { reason: 'It is over its limit.' }, 'It is over its limit.'],
    [400, { reason: 'That is not allowed.' }, 'That is not allowed.'],
    [401, { reason: 'x' }, 'Add-on service is temporarily unavailable. Try again later.'],
    [500, {}, 'Add-on service is temporarily unavailable. Try again later.'],
    [200, 'not what was expected', 'Add-on service is temporarily unavailable. Try again later.'],
  ])('status %i is a sentence, exit code 2, and the token is deleted', async (status, body, sentence) => {
    api.answers.set(request, { status, body });
    const { code, stderr, stdout } = await run(command, args);
    expect(flat(stderr)).toContain(sentence);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(api.log.at(-1)).toBe(REVOKE);
  });
});

test.each(COMMANDS.filter(([name]) => name !== 'storage:cleanup'))(
  '%s sends what the published plugin sends, but for its name',
  async (_, command, args, request, success, published) => {
    api.answers.set(request, success);
    await run(command, args);
    const ours = api.requests.at(-2)!;
    const [addonName, token] = ['borealis-pg-hex-12345', 'temporary-token'];
    await published!(new PublishedPlugin({ baseUrl: api.url, token, addonName }));
    expect(bytesOf(ours)).toEqual(bytesOf(api.requests.at(-1)!));
  },
);

/** A request as it came over the wire, without the name of the program that sent it. */
function bytesOf({ method, path, rawHeaders, body }: RecordedRequest): unknown {
  const name = 1 + rawHeaders.indexOf('user-agent');
  return { method, path, body, rawHeaders: rawHeaders.filter((_, i) => i !== name) };
}
