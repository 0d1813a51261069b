// Everything that can be said without running the product: types, lint and format, drifted pages.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (path) => [process.execPath, join(root, 'node_modules', path)];

const checks = {
  'types of the packages': [...bin('typescript/bin/tsc'), '-b'],
  'types of the tests': [...bin('typescript/bin/tsc'), '-p', 'tsconfig.test.json'],
  'types of benchmarks, soak and scripts': [...bin('typescript/bin/tsc'), '-p', 'tsconfig.scripts.json'],
  'lint and format': [...bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'],
  'pages made from code': [process.execPath, join(root, 'scripts/docs.mjs'), '--check'],
};

let failed = 0;
for (const [name, [program, ...args]] of Object.entries(checks)) {
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8' });
  const ok = result.status === 0;
  console.log(`${ok ? '✓' : '✗'} ${name}`);
  if (ok) continue;
  failed += 1;
  console.log(`${result.stdout}${result.stderr}`);
}
process.exit(failed === 0 ? 0 : 1);
