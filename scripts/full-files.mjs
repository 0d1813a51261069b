// Which test files have more to run in the full suite than in the default one.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const RELATIVE_IMPORT = /from '(\.[^']*)\.js'/g;
/** A test asks for the suite itself, or is a scenario that names it. */
const ASKS = /process\.env\.BOREALIS_TEST\b|\bscenario\.full/;
/** Knows the suite only to offer it. */
const OFFERS = join(root, 'test/support/scenario.ts');

const asked = new Map();

/** Whether a file, or one that it imports by a relative path, asks which suite runs. */
function asks(file) {
  const known = asked.get(file);
  if (known !== undefined) return known;
  asked.set(file, false);
  const text = readFileSync(file, 'utf8');
  const imports = [...text.matchAll(RELATIVE_IMPORT)].map(([, path]) => resolve(dirname(file), `${path}.ts`));
  const answer = ASKS.test(text) || imports.some((path) => path !== OFFERS && path.includes('/test/') && asks(path));
  asked.set(file, answer);
  return answer;
}

/** Paths, from the root, of the files that `npm run test:full` runs. */
export function fullFiles() {
  const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/test`);
  return ['test', ...packages]
    .filter((directory) => existsSync(join(root, directory)))
    .flatMap((directory) => testFiles(directory))
    .sort()
    .filter((file) => asks(join(root, file)));
}

function testFiles(directory) {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(directory, name));
}
