// The first thing `npm start` and `npm test` run: plain Node, no dependency, so that a fresh clone needs no `npm install`.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const MINIMUM_NODE = [20, 19];

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  fail(`Borealis needs Node.js ${MINIMUM_NODE.join('.')} or newer; this is ${process.versions.node}.`);
}

/** Runs a program with the terminal as ours; a failure ends everything with its status. */
function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (result.error) fail(`${program} could not be started: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** npm as it runs us, or the one on the path: never through a shell. */
function npm(args, options) {
  const cli = process.env.npm_execpath;
  if (cli?.endsWith('.js')) run(process.execPath, [cli, ...args], options);
  else run('npm', args, options);
}

function stampMatches(file, value) {
  return existsSync(file) && readFileSync(file, 'utf8') === value;
}

/** Installs when the lock file, or the Node version that native code was built for, differs from what is installed. */
function install() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  const value = createHash('sha256').update(lock).update(process.versions.modules).digest('hex');
  const stamp = join(ROOT, 'node_modules', '.borealis-installed');
  if (stampMatches(stamp, value)) return;
  console.log('Installing the libraries (once, about a minute)…');
  npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  buildNativeCrypto();
  writeFileSync(stamp, value);
}

/** Where Node's own headers are on this machine, or null: they are never downloaded. */
function nodeHeaders() {
  const candidates = [process.env.npm_config_nodedir, resolve(dirname(process.execPath), '..'), '/usr', '/usr/local'];
  return candidates.find((dir) => dir && existsSync(join(dir, 'include/node/node.h'))) ?? null;
}

/** The compiled half of the SSH library. Everything works without it, at 1.3 to 2 times the gateway's CPU. */
function buildNativeCrypto() {
  const headers = nodeHeaders();
  const tool = [
    process.env.npm_execpath && resolve(process.env.npm_execpath, '../../node_modules/node-gyp/bin/node-gyp.js'),
  ]
    .concat([
      '/usr/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js',
      resolve(dirname(process.execPath), '../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js'),
    ])
    .find((file) => file && existsSync(file));
  const source = join(ROOT, 'node_modules/ssh2/lib/protocol/crypto');
  if (!headers || !tool || !existsSync(source)) return;
  const built = spawnSync(process.execPath, [tool, 'rebuild', `--nodedir=${headers}`], {
    cwd: source,
    stdio: 'ignore',
    timeout: 180_000,
  });
  if (built.status === 0) console.log('Compiled the SSH library’s native crypto.');
  else rmSync(join(source, 'build'), { recursive: true, force: true });
}

/** Newest change below the sources, and how many files there are: enough to see that nothing has to be built. */
function sourceState() {
  const hash = createHash('sha256');
  const walk = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name.startsWith('.')) continue;
      const path = join(dir, entry.name);
      if (entry.isDirectory()) walk(path);
      else hash.update(`${path}:${statSync(path).mtimeMs}\n`);
    }
  };
  for (const dir of ['packages', 'scripts']) walk(join(ROOT, dir));
  hash.update(readFileSync(join(ROOT, 'package-lock.json')));
  return hash.digest('hex');
}

function build() {
  const stamp = join(ROOT, 'node_modules', '.borealis-built');
  const state = sourceState();
  if (stampMatches(stamp, state) && existsSync(join(ROOT, 'packages/borealis/dist/cli.js'))) return;
  console.log('Building…');
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b']);
  run(process.execPath, [join(ROOT, 'scripts/bundle.mjs')]);
  writeFileSync(stamp, state);
}

/** Runs one of the project's own programs after everything is built. */
function node(file, args, options) {
  run(process.execPath, [join(ROOT, file), ...args], options);
}

const commands = {
  start: async (args) => {
    process.argv = [process.argv[0], join(ROOT, 'packages/borealis/dist/cli.js'), 'up', '--guided', ...args];
    await import('../packages/borealis/dist/cli.js');
  },
  test: (args) => node('scripts/test.mjs', ['default', ...args]),
  'test:full': (args) => node('scripts/test.mjs', ['full', ...args]),
  check: () => node('scripts/check.mjs', []),
  fuzz: (args) => node('scripts/fuzz.mjs', args),
  bench: (args) => node('scripts/bench.mjs', args),
  soak: (args) => node('scripts/soak.mjs', args),
};

const [command, ...args] = process.argv.slice(2);
if (!Object.hasOwn(commands, command))
  fail(`Unknown step "${command}"; allowed are ${Object.keys(commands).join(', ')}.`);
checkNode();
mkdirSync(join(ROOT, 'node_modules'), { recursive: true });
install();
build();
await commands[command](args);
