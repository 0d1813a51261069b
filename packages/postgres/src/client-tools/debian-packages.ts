import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutStoreAccess } from '../environment.js';
import { ReleaseError } from '../release/release-error.js';
import { RunError, run } from '../run.js';
import { archiveMirrors, writeAptConfiguration } from './apt.js';

export interface ClientPackages {
  suite: string;
  major: number;
  /** A directory that is thrown away later. */
  work: string;
  /** Made here. */
  root: string;
}

/**
 * Fetches PostgreSQL's client of a Debian release with all the libraries it needs, the C library included, checks them against
 * Debian's signature, and unpacks them into `root`; returns the packages' file names. Throws `ReleaseError`.
 */
export async function unpackClient(wanted: ClientPackages): Promise<string[]> {
  try {
    await mkdir(wanted.root);
    return await fromFirstMirror(wanted, await archiveMirrors());
  } catch (error) {
    throw error instanceof RunError ? fetchError(wanted, error) : error;
  }
}

async function fromFirstMirror(wanted: ClientPackages, mirrors: readonly string[]): Promise<string[]> {
  const [mirror, ...others] = mirrors;
  const debs = join(wanted.work, 'debs');
  try {
    await fetchPackages(wanted, mirror!, debs);
  } catch (error) {
    if (others.length === 0 || !(error instanceof RunError)) throw error;
    return fromFirstMirror(wanted, others);
  }
  const files = (await readdir(debs)).filter((name) => name.endsWith('.deb')).sort();
  for (const file of files) await run('dpkg', ['-x', join(debs, file), wanted.root]);
  return files;
}

async function fetchPackages({ suite, major, work }: ClientPackages, mirror: string, debs: string): Promise<void> {
  const configuration = await writeAptConfiguration(work, suite, mirror);
  const options = { cwd: debs, env: { ...withoutStoreAccess(), LC_ALL: 'C' } };
  const apt: Apt = (program, ...args) => run(program, ['-c', configuration, '-qq', ...args], options);
  await mkdir(debs, { recursive: true, mode: 0o755 });
  // As root, apt downloads as this user where it can.
  if (process.getuid?.() === 0) await run('chown', ['_apt', debs]).catch(() => {});
  await apt('apt-get', 'update');
  const client = `postgresql-client-${major}`;
  // What chooses among versions is written in Perl, and takes it along.
  const direct = (await needsOf(apt, [client], [])).filter((name) => !name.endsWith('-common'));
  const libraries = await needsOf(apt, direct, ['--recurse']);
  await apt('apt-get', 'download', ...new Set([client, ...direct, ...libraries]));
}

type Apt = (program: string, ...args: string[]) => Promise<{ stdout: string }>;

const NOTHING_BUT_NEEDS = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
  (kind) => `--no-${kind}`,
);

/** The packages that these depend on; `<…>` is one that only others provide. */
async function needsOf(apt: Apt, packages: readonly string[], options: readonly string[]): Promise<string[]> {
  const { stdout } = await apt('apt-cache', 'depends', ...NOTHING_BUT_NEEDS, ...options, ...packages);
  return [...stdout.matchAll(/^ *\|?(?:Pre)?Depends: ([^<\s]+)$/gm)].map((match) => match[1]!);
}

function fetchError({ suite, major }: ClientPackages, cause: RunError): ReleaseError {
  const what = `PostgreSQL ${major}’s client programs could not be fetched from Debian ${suite}`;
  const how = `install postgresql-client-${major}, or try again`;
  const told = cause.output.stderr;
  const why = cause.missing
    ? `"${cause.program}" is not installed`
    : /No space left/i.test(told)
      ? 'the disk is full'
      : /NO_PUBKEY|not signed|GPG error|signatures? (?:was|were|could)/i.test(told)
        ? 'its signature is not one that this machine trusts'
        : /Hash Sum mismatch|unexpected size/i.test(told)
          ? 'what came is not what its signature covers'
          : /Could not (?:resolve|connect)|Temporary failure|unreachable|Connection (?:failed|timed out|refused)/i.test(
                told,
              )
            ? 'the mirror that apt uses does not answer'
            : `"${cause.program}" failed`;
  return new ReleaseError('unavailable', `${what}: ${why}; ${how}.`, { cause });
}
