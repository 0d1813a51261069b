// Runs a suite: `default` is the newcomer's, `full` is what it leaves out: more majors, and what takes long. Ends with one
// line of counts.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fullFiles } from './full-files.mjs';
import { listScenarios, scenariosPage } from './scenarios.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const [suite = 'default', ...filters] = process.argv.slice(2);
const results = join(root, '.cache/test-results');
const resultFile = join(results, `${suite}.json`);

mkdirSync(results, { recursive: true });
rmSync(resultFile, { force: true });
const run = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${resultFile}`,
    ...(suite === 'full' && filters.length === 0 ? fullFiles() : filters),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, BOREALIS_TEST: suite } },
);

if (!existsSync(resultFile)) {
  console.error('The test run left no result.');
  process.exit(run.status || 1);
}
const report = JSON.parse(readFileSync(resultFile, 'utf8'));
let problems = 0;
const problem = (sentence) => {
  problems += 1;
  console.error(sentence);
};

/** Names of the tests that really ran. */
const ran = new Set(
  report.testResults.flatMap((testFile) =>
    testFile.assertionResults
      .filter((test) => test.status === 'passed' || test.status === 'failed')
      .map((test) => test.title),
  ),
);

// A file that fails to load has no test that could have failed in it.
const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
for (const file of broken) problem(`${file.name} could not be run: ${file.message.split('\n')[0]}`);
if (run.status !== 0 && report.numFailedTests === 0 && broken.length === 0)
  problem(`The test runner ended with status ${run.status ?? run.signal}.`);

if (filters.length === 0) {
  if (readFileSync(join(root, 'docs/reference/scenarios.md'), 'utf8') !== scenariosPage()) {
    problem('docs/reference/scenarios.md has drifted from the scenarios in test/: run "node scripts/docs.mjs".');
  }
  const command = suite === 'full' ? 'test:full' : 'test';
  for (const { name, where, suite: of } of listScenarios()) {
    if (of === command && !where && !ran.has(name)) problem(`The scenario "${name}" did not run.`);
  }
}
const skipped = report.numPendingTests + report.numTodoTests;
const failed = report.numFailedTests + problems;
console.log(`${report.numPassedTests} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 && report.numPassedTests > 0 ? 0 : 1);
