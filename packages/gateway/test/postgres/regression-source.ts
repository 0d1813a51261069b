import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
const TOOLS = ['apt-get', 'dpkg', 'psql', 'tar', 'bzip2'];

/** Debian's release, where this machine is one that can fetch sources of its packages; null elsewhere. */
export function debianRelease(): string | null {
  if (!existsSync(KEYS) || !TOOLS.every((tool) => existsSync(join('/usr/bin', tool)) || existsSync(join('/bin', tool))))
    return null;
  return /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? null;
}

/** Fetches the source package of Debian's PostgreSQL, as signed by Debian, and unpacks its regression tests; returns where they are. */
export function fetchRegressionTests(release: string, directory: string): string {
  const options = aptOptions(release, directory);
  const apt = (...args: string[]) =>
    execFileSync('apt-get', [...options, ...args], { cwd: directory, encoding: 'utf8' });
  apt('update');
  apt('source', '--download-only', `postgresql-${newestMajor()}`);
  const archive = readdirSync(directory).find((name) => name.includes('.orig.tar'));
  if (!archive) throw new Error('the source package of PostgreSQL has no archive');
  const unpack = ['-xf', archive, '--strip-components=3', '--wildcards', '*/src/test/regress/*'];
  execFileSync('tar', [...unpack, '--no-same-owner'], { cwd: directory });
  return join(directory, 'regress');
}

/** An apt that knows nothing but this release's sources and keeps its files in the directory. */
function aptOptions(release: string, directory: string): string[] {
  const uris = execFileSync('apt-get', ['update', '--print-uris'], { encoding: 'utf8' });
  const mirror = new RegExp(`^'(\\S+?)/dists/${release}/InRelease'`, 'm').exec(uris)?.[1];
  if (!mirror) throw new Error('the sources of apt name no mirror of Debian');
  mkdirSync(join(directory, 'lists/partial'), { recursive: true });
  writeFileSync(join(directory, 'sources.list'), `deb-src [signed-by=${KEYS}] ${mirror} ${release} main\n`);
  const settings = {
    'Dir::Etc::SourceList': join(directory, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(directory, 'lists'),
    'Dir::Cache': join(directory, 'cache'),
    'APT::Sandbox::User': '',
  };
  return ['-q', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

/** Of the `psql` that runs the tests: its backslash commands are those that they use. */
function newestMajor(): string {
  return /(\d+)\./.exec(execFileSync('psql', ['--version'], { encoding: 'utf8' }))![1]!;
}
