import { describe, expect, test } from 'vitest';
import Extensions from '../src/commands/borealis-pg/extensions/index.js';
import Install from '../src/commands/borealis-pg/extensions/install.js';
import RemoveExtension from '../src/commands/borealis-pg/extensions/remove.js';
import { HSTORE, ok } from './support/answers.js';
import { useApi } from './support/api.js';
import { RESOURCE, REVOKE } from './support/heroku.js';
import { flat } from './support/terminal.js';

const EXTENSIONS = `${RESOURCE}/pg-extensions`;

const { api, run } = useApi();

describe('extensions', () => {
  test('are a list, JSON with --json, and a warning when there are none', async () => {
    api.answers.set(`GET ${EXTENSIONS}`, ok({ extensions: [HSTORE, { ...HSTORE, name: 'cube', version: '1.5' }] }));
    const list = await run(Extensions, []);
    expect(list.stdout).toBe('- hstore (version: 1.8, schema: hstore)\n- cube (version: 1.5, schema: hstore)\n');
    const json = await run(Extensions, ['--json']);
    expect(JSON.parse(json.stdout).extensions[0]).toEqual(HSTORE);
    api.answers.set(`GET ${EXTENSIONS}`, ok({ extensions: [] }));
    const none = await run(Extensions, []);
    expect({ code: none.code, stdout: none.stdout }).toEqual({ code: 0, stdout: '' });
    expect(none.stderr).toContain('No extensions found');
  });

  test('an installed one is shown with its version and schema', async () => {
    const { installed } = layOutExtensions({ hstore: [] });
    const { stdout } = await run(Install, ['hstore']);
    expect(stdout).toBe('- hstore (version: 1.0, schema: hstore)\n');
    expect(installed).toEqual(['hstore']);
  });

  test('one that needs others names them, and --recursive', async () => {
    const { installed } = layOutExtensions({ earthdistance: ['cube', 'plpgsql'], cube: [], plpgsql: [] });
    const { code, stderr } = await run(Install, ['earthdistance']);
    expect(flat(stderr)).toContain(
      'needs extensions that are not installed: cube, plpgsql. Install them first, or add',
    );
    expect(flat(stderr)).toContain('--recursive');
    expect({ code, installed }).toEqual({ code: 2, installed: [] });
  });

  test('--recursive installs what is needed first, whatever depth, and what two need only once', async () => {
    const { installed } = layOutExtensions({ top: ['left', 'right'], left: ['base'], right: ['base'], base: [] });
    const { code, stdout } = await run(Install, ['top', '--recursive', '--json']);
    expect(code).toBe(0);
    expect(installed).toEqual(['base', 'left', 'right', 'top']);
    expect(JSON.parse(stdout).extensions.map(({ name }: { name: string }) => name)).toEqual([
      'top',
      'left',
      'base',
      'right',
    ]);
  });

  test('--recursive leaves alone a needed one that somebody else has installed meanwhile', async () => {
    const { installed } = layOutExtensions({ top: ['base'], base: [] });
    const answer = api.answers.get(`POST ${EXTENSIONS}`) as (request: { body: string }) => never;
    api.answers.set(`POST ${EXTENSIONS}`, (request) => {
      if (request.body.includes('base')) installed.push('base');
      return answer(request);
    });
    const { code, stdout } = await run(Install, ['top', '-r']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '- top (version: 1.0, schema: top)\n' });
  });

  test('--recursive ends with the refusal when a needed one is refused, and never goes in circles', async () => {
    layOutExtensions({ top: ['gone'], one: ['two'], two: ['one'] });
    const refused = await run(Install, ['top', '-r']);
    expect(refused.stderr).toContain('"gone" is not supported.');
    expect(refused.code).toBe(2);
    const circle = await run(Install, ['one', '-r']);
    expect(flat(circle.stderr)).toContain('Extension two needs extensions that are not installed: one.');
    expect(circle.code).toBe(2);
    expect(api.log.at(-1)).toBe(REVOKE);
  });

  test('one that is installed already is an error, or a warning with --suppress-conflict', async () => {
    api.answers.set(`POST ${EXTENSIONS}`, { status: 409, body: {} });
    const error = await run(Install, ['hstore']);
    expect(flat(error.stderr)).toContain('Extension hstore is already installed');
    expect(error.code).toBe(2);
    const warning = await run(Install, ['hstore', '-s']);
    expect(flat(warning.stderr)).toContain('Extension hstore is already installed');
    expect(warning.code).toBe(0);
    api.answers.set(`POST ${EXTENSIONS}`, { status: 400, body: { reason: 'No.' } });
    expect((await run(Install, ['hstore', '-s'])).code).toBe(2);
  });

  test('one that is not installed is an error, or a warning with --suppress-missing; a missing add-on never is', async () => {
    const remove = ['hstore', '-c', 'hstore'];
    api.answers.set(`DELETE ${EXTENSIONS}/hstore`, { status: 404, body: { reason: 'x', resourceType: 'extension' } });
    const error = await run(RemoveExtension, remove);
    expect(error.stderr).toContain('Extension hstore is not installed');
    expect(error.code).toBe(2);
    const warning = await run(RemoveExtension, [...remove, '-s']);
    expect(warning.stderr).toContain('Extension hstore is not installed');
    expect(warning.code).toBe(0);
    api.answers.set(`DELETE ${EXTENSIONS}/hstore`, { status: 404, body: { reason: 'x', resourceType: 'addon' } });
    const addon = await run(RemoveExtension, [...remove, '-s']);
    expect(addon.stderr).toContain('is not a Borealis Isolated Postgres add-on');
    expect(addon.code).toBe(2);
  });

  /** Stands for a service that knows these extensions with what each needs, and tells what it has installed, in order. */
  function layOutExtensions(known: Record<string, string[]>): { installed: string[] } {
    const installed: string[] = [];
    api.answers.set(`POST ${EXTENSIONS}`, ({ body }) => {
      const name = JSON.parse(body).pgExtensionName as string;
      const missing = known[name]?.filter((one) => !installed.includes(one));
      if (missing === undefined) return { status: 400, body: { reason: `"${name}" is not supported.` } };
      if (installed.includes(name)) return { status: 409, body: { reason: 'There already.' } };
      if (missing.length > 0) return { status: 400, body: { reason: 'Needs more.', dependencies: missing } };
      installed.push(name);
      return { status: 201, body: { pgExtensionSchema: name, pgExtensionVersion: '1.0' } };
    });
    return { installed };
  }
});
