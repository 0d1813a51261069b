import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { majorOf } from './offers.js';

export type ReleaseFamily = 'npm' | 'system';
export type ReleaseProgram = 'postgres' | 'initdb' | 'pg_ctl';

/** PostgreSQL's programs in the cache. A data directory keeps its family for life: their builds differ in ICU. */
export interface Release {
  major: string;
  /** PostgreSQL's own number: `16.14`. */
  version: string;
  family: ReleaseFamily;
  root: string;
  /** Absolute path of a program of this release. */
  binary(name: ReleaseProgram): string;
}

export interface ReleaseManifest {
  version: string;
  family: ReleaseFamily;
  /** Where the programs are, relative to the release's directory. */
  programs: string;
  /** What it was made from: the tarball's hash, or the directory it was copied from. */
  origin: string;
}

export const MANIFEST = 'release.json';

/** Where a release stands in a cache. */
export function releaseDirectory(cacheDir: string, version: string, family: ReleaseFamily): string {
  return join(cacheDir, `postgresql-${version}-${family}`);
}

/** The release in `root`; null when there is none. A manifest is only ever there when all of the release is. */
export async function readRelease(root: string): Promise<Release | null> {
  let text: string;
  try {
    text = await readFile(join(root, MANIFEST), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const { version, family, programs } = JSON.parse(text) as ReleaseManifest;
  return {
    major: majorOf(version),
    version,
    family,
    root,
    binary: (name) => join(root, programs, name),
  };
}
