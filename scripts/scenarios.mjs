// The scenarios are the tests below test/scenarios/: what a user does, with everything real.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = resolve(dirname(fileURLToPath(import.meta.url)), '../test/scenarios');
/** Kinds of scenario that may be skipped, and where they are not. */
const WHERE = { asRoot: 'as root', withTools: 'where installed', fullWithTools: 'where installed' };
const CALL = /^\s*scenario(?:\.(\w+))?\(\s*'([^']+)'/gm;

/** Every scenario with its file, and whether it may be skipped where something is not installed or allowed. */
export function listScenarios() {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
    .flatMap((file) =>
      [...readFileSync(join(directory, file), 'utf8').matchAll(CALL)].map(([, kind, name]) => ({
        file,
        name,
        suite: kind?.startsWith('full') ? 'test:full' : 'test',
        where: WHERE[kind],
      })),
    );
}

/** docs/reference/scenarios.md. */
export function scenariosPage() {
  const rows = listScenarios().map(
    ({ file, name, suite, where }) => `| ${name} | \`npm run ${suite}\`${where ? ` (${where})` : ''} | \`${file}\` |`,
  );
  return [
    '# Scenarios',
    '',
    'What users do, each run with real PostgreSQL, real `ssh` and, where it says so, the real `heroku` CLI. This page is made from',
    'the tests in `test/scenarios`; a run of a suite fails when one of its scenarios did not run.',
    '',
    '| scenario | suite | file |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
