// The tour's sample app with its PostgreSQL client in one file, so that a dyno needs no node_modules.
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

await build({
  entryPoints: [join(root, 'packages/borealis/dist/sample-app/app.js')],
  outfile: join(root, 'packages/borealis/dist/sample-app/bundle.cjs'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  external: ['pg-native'],
  logLevel: 'warning',
});
