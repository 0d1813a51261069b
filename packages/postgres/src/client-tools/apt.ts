import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ReleaseError } from '../release/release-error.js';
import { run } from '../run.js';

/** Debian signs every release with keys of this file, on a mirror of one's own, too. */
const DEBIANS_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Where this machine's own apt gets Debian from: addresses that have a directory `dists/`. */
export async function archiveMirrors(): Promise<string[]> {
  const { stdout } = await run('apt-get', ['update', '--print-uris']);
  return mirrorsIn(stdout);
}

/** Those in the list of what `apt-get update` would fetch, each once, others' packages for Debian among them; throws when there are none. */
export function mirrorsIn(printedUris: string): string[] {
  // What has a dash in its name (updates, security) comes from places that may have nothing else.
  const found = [...printedUris.matchAll(/^'(\S+?)\/dists\/[a-z]+\/InRelease'/gm)].map((match) => match[1]!);
  if (found.length > 0) return [...new Set(found)];
  const sentence = 'The client programs of PostgreSQL are fetched with apt, and its sources name no mirror of Debian.';
  throw new ReleaseError('unavailable', sentence);
}

/**
 * Writes a configuration by which apt knows nothing but one release of Debian on one mirror, takes nothing for installed, keeps all its files in
 * `work`, and takes only what Debian signed; the machine's proxies and passwords for mirrors stay in force. Returns its path.
 */
export async function writeAptConfiguration(work: string, suite: string, mirror: string): Promise<string> {
  await access(DEBIANS_KEYS).catch(() => {
    throw new ReleaseError(
      'unavailable',
      `Debian’s keys ("${DEBIANS_KEYS}") are not there; install the package debian-archive-keyring.`,
    );
  });
  const place = (name: string) => join(work, 'apt', name);
  for (const name of ['lists/partial', 'cache/archives/partial']) await mkdir(place(name), { recursive: true });
  await writeFile(place('status'), '');
  await writeFile(place('sources.list'), `deb [signed-by=${DEBIANS_KEYS}] ${mirror} ${suite} main\n`);
  const settings = {
    'APT::Update::Error-Mode': 'any',
    'Dir::Etc::SourceList': place('sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Dir::State': place(''),
    'Dir::State::Lists': place('lists'),
    'Dir::State::Status': place('status'),
    'Dir::Cache': place('cache'),
    'Dir::Cache::Archives': place('cache/archives'),
    'Dir::Log': place('log'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '1',
    'Acquire::AllowInsecureRepositories': 'false',
    'Acquire::AllowWeakRepositories': 'false',
    'APT::Get::AllowUnauthenticated': 'false',
  };
  // What the machine does after an update of its own (empty the archive, tell a desktop) is not for this one.
  const lines = [
    '#clear APT::Update;',
    '#clear DPkg;',
    ...Object.entries(settings).map(([name, value]) => `${name} "${value}";`),
  ];
  await writeFile(place('apt.conf'), `${lines.join('\n')}\n`);
  return place('apt.conf');
}
