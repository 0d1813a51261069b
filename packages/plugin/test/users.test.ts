import { describe, expect, test } from 'vitest';
import Cleanup from '../src/commands/borealis-pg/storage/cleanup.js';
import Users from '../src/commands/borealis-pg/users/index.js';
import Reset from '../src/commands/borealis-pg/users/reset.js';
import { ok, USERS } from './support/answers.js';
import { useApi } from './support/api.js';
import { RESOURCE } from './support/heroku.js';
import { flat } from './support/terminal.js';

const { api, run } = useApi();

describe('users', () => {
  test('are a table with the app’s own first, JSON with --json, and a warning when there are none', async () => {
    api.answers.set(`GET ${RESOURCE}/db-users`, ok({ users: USERS }));
    const table = await run(Users, []);
    expect(table.stdout).toBe(
      [
        ' Add-on User     | DB Read-only Username | DB Read/Write Username',
        '-----------------+-----------------------+------------------------',
        ' Heroku App User | app_ro_1              | app_rw_1',
        ' me@example.com  | p_ro_2                | p_rw_2',
        '',
      ].join('\n'),
    );
    const json = await run(Users, ['--json']);
    expect(JSON.parse(json.stdout)).toEqual({ users: USERS });
    api.answers.set(`GET ${RESOURCE}/db-users`, ok({ users: [] }));
    const none = await run(Users, []);
    expect(none.code).toBe(0);
    expect(none.stderr).toContain('No users found');
  });

  test('an answer without reasons still says what the statuses mean', async () => {
    const request = `DELETE ${RESOURCE}/db-users/credentials`;
    api.answers.set(request, { status: 400, body: {} });
    expect(flat((await run(Reset, [])).stderr)).toContain('undergoing maintenance');
    api.answers.set(request, { status: 403, body: {} });
    expect(flat((await run(Reset, [])).stderr)).toContain('Upgrade to a larger plan');
  });
});

test('storage:cleanup says until when, in the reader’s own time, and as JSON', async () => {
  const body = { until: '2026-03-05T15:35:17.485Z' };
  api.answers.set(`POST ${RESOURCE}/cleanup-window`, { status: 201, body });
  const { stdout } = await run(Cleanup, []);
  expect(stdout).toBe('The database can be written to until 2026-03-05T15:35:17.485+00:00\n');
  const [request] = api.of('POST', `${RESOURCE}/cleanup-window`);
  expect(request?.headers).toMatchObject({ 'content-length': '0' });
  expect(request?.headers).not.toHaveProperty('content-type');
  expect(JSON.parse((await run(Cleanup, ['--json'])).stdout)).toEqual(body);
});
