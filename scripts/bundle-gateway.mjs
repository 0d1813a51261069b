// Bundles the gateway process into one file that needs nothing but Node beside it: the keeper copies the folder and runs
// it as another OS user, who may not be able to read the project. Run after `tsc -b`.
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const output = path.join(root, 'packages/gateway/dist/bundle');
const require = createRequire(path.join(root, 'packages/gateway/package.json'));
const nativeBinding = path.join(path.dirname(require.resolve('ssh2')), 'protocol/crypto/build/Release/sshcrypto.node');

/** ssh2 loads its native parts in `try`: the binding is looked for beside the bundle, cpu-features is left out. */
const nativeParts = {
  name: 'native-parts',
  setup(api) {
    api.onResolve({ filter: /sshcrypto\.node$/ }, () => ({ path: './sshcrypto.node', external: true }));
    api.onResolve({ filter: /^cpu-features$/ }, () => ({ path: 'cpu-features', namespace: 'absent' }));
    api.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
      contents: 'throw new Error("left out");',
      loader: 'js',
    }));
  },
};

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
await build({
  entryPoints: [path.join(root, 'packages/gateway/dist/main.js')],
  outfile: path.join(output, 'gateway.cjs'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [nativeParts],
});
if (existsSync(nativeBinding)) copyFileSync(nativeBinding, path.join(output, 'sshcrypto.node'));
