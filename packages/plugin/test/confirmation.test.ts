import { beforeEach, describe, expect, test } from 'vitest';
import RemoveExtension from '../src/commands/borealis-pg/extensions/remove.js';
import RemoveIntegration from '../src/commands/borealis-pg/integrations/remove.js';
import { GONE, ok } from './support/answers.js';
import { useApi } from './support/api.js';
import { RESOURCE } from './support/heroku.js';
import { flat } from './support/terminal.js';

const EXTENSIONS = `${RESOURCE}/pg-extensions`;
const INTEGRATIONS = `${RESOURCE}/data-integrations`;

const { api, run } = useApi();

describe.each([
  ['extensions:remove', RemoveExtension, ['etl'], `DELETE ${EXTENSIONS}/etl`],
  ['integrations:remove', RemoveIntegration, ['-n', 'etl'], `DELETE ${INTEGRATIONS}/etl`],
])('the confirmation of %s', (_, command, args, request) => {
  beforeEach(() => {
    api.answers.set(request, ok(GONE));
  });

  test('is asked for at a terminal, on standard error', async () => {
    const { code, stdout, stderr } = await run(command, args, ' etl \n');
    expect(stderr).toMatch(/Enter the name of the (extension|data integration) \(etl\) to confirm its removal: /);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(api.log).toContain(request);
  });

  test.each([
    ['another name', 'elt\n', [], 'Invalid confirmation: "elt"'],
    ['nothing', '', [], 'Confirm it with --confirm etl'],
    ['another --confirm', 'etl\n', ['--confirm', 'elt'], 'Invalid confirmation: "elt"'],
    ['an empty --confirm', 'etl\n', ['--confirm', ''], 'Invalid confirmation: ""'],
    ['no terminal', undefined, [], 'Confirm it with --confirm etl'],
  ])('is not given by %s, and then nothing is asked of anybody', async (_, typed, more, sentence) => {
    const { code, stderr } = await run(command, [...args, ...more], typed);
    expect(flat(stderr)).toContain(sentence);
    expect(code).toBe(2);
    expect(api.log).toEqual([]);
  });
});
