import { beforeEach, expect, test } from 'vitest';
import Cancel from '../src/commands/borealis-pg/upgrade/cancel.js';
import Execute from '../src/commands/borealis-pg/upgrade/execute.js';
import Info from '../src/commands/borealis-pg/upgrade/info.js';
import { ok } from './support/answers.js';
import { useApi } from './support/api.js';
import { RESOURCE } from './support/heroku.js';
import { flat } from './support/terminal.js';

const UPGRADES = `${RESOURCE}/pg-version-upgrades`;
const AVAILABLE = { currentPgMajorVersion: '15', nextPgMajorVersion: '16', upgradeStatus: 'available' };

const { api, run } = useApi();

beforeEach(() => {
  const started = { currentPgMajorVersion: '15', targetPgMajorVersion: '16' };
  api.answers.set(`POST ${UPGRADES}`, { status: 202, body: started });
});

async function lines(answer: object): Promise<string[]> {
  api.answers.set(`GET ${UPGRADES}`, ok(answer));
  const { stdout } = await run(Info, []);
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

test('info shows what the original service says, and more where ours does', async () => {
  const three = [
    'Current PostgreSQL major version: 15',
    'Next PostgreSQL major version: 16',
    'Upgrade Status: available',
  ];
  expect(await lines(AVAILABLE)).toEqual(three);
  expect(await lines({ ...AVAILABLE, availablePgMajorVersions: ['16', '17', '18'], last: null })).toEqual([
    ...three,
    'Also Available: 17, 18',
  ]);
  const none = { currentPgMajorVersion: '18', nextPgMajorVersion: null, upgradeStatus: 'maximum' };
  expect(await lines(none)).toContain('Next PostgreSQL major version: N/A');
  const progress = { stage: 'copying', sentence: 'Copying the tables' };
  expect(await lines({ ...AVAILABLE, upgradeStatus: 'upgrading', progress })).toContain('Progress: Copying the tables');
  const announcedFor = '2026-03-05T15:05:17.485Z';
  expect(await lines({ ...AVAILABLE, automatic: true, announcedFor })).toContain(
    'Begins: by itself after 2026-03-05T15:05:17.485+00:00',
  );
});

test('info tells what came of the last upgrade', async () => {
  const endedAt = '2026-03-05T15:05:17.485Z';
  const failed = { outcome: 'failed', from: '15.18', to: '16.14', endedAt, revertibleUntil: null };
  expect(await lines({ ...AVAILABLE, last: { ...failed, findings: ['One thing.', 'Another.'] } })).toContain(
    'Last Upgrade: 15.18 to 16.14, failed at 2026-03-05T15:05:17.485+00:00: One thing. Another.',
  );
  const done = { ...failed, outcome: 'done', findings: [], revertibleUntil: '2026-03-06T15:05:17.485Z' };
  expect(await lines({ ...AVAILABLE, last: done })).toContain(
    'Way Back: until 2026-03-06T15:05:17.485+00:00, by the operator',
  );
});

test('execute upgrades to the next version, or to the one that is named', async () => {
  const { stdout } = await run(Execute, []);
  expect(flat(stdout)).toContain(
    'borealis-pg-hex-12345 is being upgraded from PostgreSQL version 15 to version 16 in the background.',
  );
  await run(Execute, ['--to', '18']);
  expect(api.of('POST', UPGRADES).map(({ body }) => body)).toEqual(['', '{"targetPgMajorVersion":"18"}']);
});

test('what stands in the way is told', async () => {
  api.answers.set(`POST ${UPGRADES}`, { status: 400, body: { reason: 'The extension "cube" is not there.' } });
  const refused = await run(Execute, []);
  expect({ ...refused, stderr: flat(refused.stderr) }).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('prevents upgrades: The extension "cube" is not there.'),
  });
  api.answers.set(`POST ${UPGRADES}`, { status: 409, body: { reason: 'It is running already.' } });
  expect(flat((await run(Execute, [])).stderr)).toContain('It is running already.');
  api.answers.set(`DELETE ${UPGRADES}/current`, { status: 400, body: {} });
  expect(flat((await run(Cancel, [])).stderr)).toContain('There is no PostgreSQL major version upgrade');
});
