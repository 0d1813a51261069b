// Writes the pages that are made from code; with --check it only says which of them has drifted.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configReference } from '../packages/borealis/dist/config.js';
import { extensionsReference } from '../packages/postgres/dist/index.js';
import { scenariosPage } from './scenarios.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const pages = {
  'docs/reference/config.md': configReference(),
  'docs/reference/extensions.md': extensionsReference(),
  'docs/reference/scenarios.md': scenariosPage(),
};

let drifted = 0;
for (const [page, text] of Object.entries(pages)) {
  const file = join(root, page);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    drifted += 1;
    console.error(`${page} has drifted: run "node scripts/docs.mjs".`);
  }
}
process.exit(drifted === 0 ? 0 : 1);
