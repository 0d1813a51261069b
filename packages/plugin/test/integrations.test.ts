import { describe, expect, test } from 'vitest';
import Integrations from '../src/commands/borealis-pg/integrations/index.js';
import Register from '../src/commands/borealis-pg/integrations/register.js';
import RemoveIntegration from '../src/commands/borealis-pg/integrations/remove.js';
import { INTEGRATION, KEY, ok, REGISTERED } from './support/answers.js';
import { useApi } from './support/api.js';
import { RESOURCE } from './support/heroku.js';
import { flat } from './support/terminal.js';

const INTEGRATIONS = `${RESOURCE}/data-integrations`;

const { api, run } = useApi();

describe('data integrations', () => {
  test('are a table, JSON with --json, and a warning when there are none', async () => {
    api.answers.set(`GET ${INTEGRATIONS}`, ok({ integrations: [INTEGRATION] }));
    const table = await run(Integrations, []);
    expect(table.stdout).toBe(
      [
        ' Data Integration | DB Username | SSH Username    | Write Access | Created At',
        '------------------+-------------+-----------------+--------------+-------------------------------',
        ' etl              | di_ro_etl   | di-uvwxyz098765 | false        | 2026-03-05T15:05:17.485+00:00',
        '',
      ].join('\n'),
    );
    const json = await run(Integrations, ['--json']);
    expect(JSON.parse(json.stdout)).toEqual({ integrations: [INTEGRATION] });
    api.answers.set(`GET ${INTEGRATIONS}`, ok({ integrations: [] }));
    const none = await run(Integrations, []);
    expect(none.code).toBe(0);
    expect(none.stderr).toContain('No data integrations found');
  });

  test('registering one prints what the forms of a service ask for, in the documented order', async () => {
    api.answers.set(`POST ${INTEGRATIONS}`, { status: 201, body: REGISTERED });
    const { stdout } = await run(Register, ['--name', 'etl', KEY]);
    expect(stdout).toBe(
      [
        '',
        '              Database Host: primary.c1.borealis.internal',
        '              Database Port: 5432',
        '              Database Name: dabcdef123456',
        '          Database Username: di_ro_etl',
        '          Database Password: PwA-22SDAbUk86wxeMapPJRfkuRmVCS6',
        '                   SSH Host: 127.1.2.3',
        '                   SSH Port: 22',
        '               SSH Username: di-uvwxyz098765',
        ' SSH Server Public Host Key: ssh-ed25519 AAAAC3Nza',
        '',
      ].join('\n'),
    );
    expect(api.of('POST', INTEGRATIONS)[0]?.body).toBe(
      `{"integrationName":"etl","sshPublicKey":"${KEY}","enableWriteAccess":false}`,
    );
    const json = await run(Register, ['-n', 'etl', KEY, '--json']);
    expect(JSON.parse(json.stdout)).toEqual(REGISTERED);
  });

  test('a name that is taken is a sentence', async () => {
    api.answers.set(`POST ${INTEGRATIONS}`, { status: 409, body: {} });
    const { code, stderr } = await run(Register, ['-n', 'etl', KEY]);
    expect(stderr).toContain('A data integration with the name etl is already registered');
    expect(code).toBe(2);
  });

  test('removing one that is not there is a sentence', async () => {
    api.answers.set(`DELETE ${INTEGRATIONS}/etl`, { status: 404, body: { reason: 'x' } });
    const { code, stderr } = await run(RemoveIntegration, ['-n', 'etl', '-c', 'etl']);
    expect(stderr).toContain('Data integration etl does not exist');
    expect(code).toBe(2);
  });

  test.each([
    [['etl'], 'Missing required flag name'],
    [['-n', 'etl'], 'Missing 1 required arg'],
  ])('arguments that are missing cost no request: %j', async (args, sentence) => {
    const { code, stderr } = await run(Register, args);
    expect(flat(stderr)).toContain(sentence);
    expect(code).toBe(2);
    expect(api.log).toEqual([]);
  });
});
