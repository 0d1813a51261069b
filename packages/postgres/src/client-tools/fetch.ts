import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCache, putEntry } from '../cache/entry.js';
import { oneAtATime } from '../cache/one-at-a-time.js';
import { syncTree } from '../durable.js';
import { ReleaseError } from '../release/release-error.js';
import { openToAll } from '../release/unpack.js';
import { run } from '../run.js';
import { manifestIn, readTools, type ToolsManifest, toolsDirectory, toolsOf } from './cached.js';
import type { ClientToolsRequest } from './client-tools.js';
import { unpackClient } from './debian-packages.js';
import { versionIn } from './installed.js';
import { CLIENT_PROGRAMS, type ClientTools, majorNumber } from './tools.js';

/** Which PostgreSQL a release of Debian has, as seen when this was written; it keeps its major for life. */
const SUITES: readonly { suite: string; major: number }[] = [
  { suite: 'trixie', major: 17 },
  { suite: 'forky', major: 18 },
];

/** The tools of the first Debian release whose PostgreSQL is new enough; one process fetches, the others wait for it. */
export async function fetchTools(request: ClientToolsRequest): Promise<ClientTools> {
  const source = SUITES.find(({ major }) => major >= majorNumber(request.major));
  if (!source || !(await isDebian())) throw new ReleaseError('unsupported', whatToInstall(request.major));
  const final = toolsDirectory(request.cacheDir, source.major);
  await makeCache(request.cacheDir);
  const tools = await oneAtATime(join(request.cacheDir, '.client-tools.lock'), async () => {
    const cached = await readTools(final);
    if (cached) return cached;
    const what = `PostgreSQL ${source.major}’s client programs from Debian ${source.suite}`;
    request.onProgress?.(`Fetching ${what} (20 MB)`);
    await putEntry(request.cacheDir, final, (work) => makeTools(work, source));
    return readTools(final);
  });
  if (!tools) throw new Error(`BUG: ${final} was published without a manifest`);
  return tools;
}

/** True where `ensureClientTools` would fetch them for a server of that major if there were none. */
export async function canFetchClientTools(major: string): Promise<boolean> {
  return SUITES.some((suite) => suite.major >= majorNumber(major)) && (await isDebian());
}

function whatToInstall(major: string): string {
  const how =
    process.platform === 'darwin' ? 'Homebrew has them as libpq' : `most systems call them postgresql-client-${major}`;
  return `pg_dump, pg_restore and psql of PostgreSQL ${major} or newer are needed and not installed; ${how}.`;
}

async function isDebian(): Promise<boolean> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID="?debian"?$/m.test(text);
}

/** Makes the tools' directory below `work`: unpacked, tried, durable. */
async function makeTools(work: string, { suite, major }: { suite: string; major: number }): Promise<string> {
  const root = join(work, 'tools');
  const packages = await unpackClient({ suite, major, work, root });
  // Documentation, translations, and the C library's own conversions, which PostgreSQL does without.
  for (const part of ['usr/share', join(places(major).libraries, 'gconv')])
    await rm(join(root, part), { recursive: true, force: true });
  await openToAll(root);
  const manifest = { version: '', ...places(major), packages };
  manifest.version = await versionThatRuns(root, manifest);
  await writeFile(manifestIn(root), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
  await syncTree(root);
  return root;
}

function places(major: number): Pick<ToolsManifest, 'loader' | 'libraries' | 'programs'> {
  const [machine, loader] =
    process.arch === 'arm64' ? ['aarch64', 'ld-linux-aarch64.so.1'] : ['x86_64', 'ld-linux-x86-64.so.2'];
  const libraries = `usr/lib/${machine}-linux-gnu`;
  return { libraries, loader: `${libraries}/${loader}`, programs: `usr/lib/postgresql/${major}/bin` };
}

async function versionThatRuns(root: string, manifest: ToolsManifest): Promise<string> {
  const tools = toolsOf(root, manifest);
  const versions = new Set<string | null>();
  for (const name of CLIENT_PROGRAMS) {
    const [program, ...args] = tools.command(name);
    versions.add(versionIn((await run(program, [...args, '--version'])).stdout));
  }
  const [version] = versions;
  if (versions.size === 1 && version) return version;
  throw new ReleaseError('corrupt', 'The fetched client programs of PostgreSQL are not of one version.');
}
