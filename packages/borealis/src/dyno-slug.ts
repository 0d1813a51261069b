import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, lchownSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from './failure.js';
import { PROJECT } from './local-settings.js';

const BUILDPACK = join(PROJECT, 'packages/buildpack');

/** Makes the empty directory of a slug, closed to other users. */
export function makeSlug(): string {
  return mkdtempSync(join(tmpdir(), 'dyno-'));
}

/** Builds a slug as the platform would: the app's files, if any, then the buildpack's compile step. */
export function fillSlug(slug: string, app: string | undefined, user: { uid: number; gid: number } | null): void {
  if (app) cpSync(app, slug, { recursive: true, dereference: true });
  const empty = mkdtempSync(join(tmpdir(), 'dyno-cache-'));
  const compiled = spawnSync(join(BUILDPACK, 'bin/compile'), [slug, empty, empty], { encoding: 'utf8' });
  rmSync(empty, { recursive: true, force: true });
  if (compiled.status !== 0)
    throw new Failure(`The buildpack could not be applied: ${compiled.stderr || compiled.error?.message}`);
  chmodSync(slug, 0o700);
  if (user) chownTree(slug, user);
}

/** The top comes last: until then nobody else can enter and put a link in a file's place. */
function chownTree(path: string, user: { uid: number; gid: number }): void {
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) chownTree(join(path, name), user);
  lchownSync(path, user.uid, user.gid);
}

/** Removes a slug. It belongs to the dyno's user, whose processes may still be there: rm, unlike Node, cannot be led astray by links. */
export function removeSlug(slug: string): void {
  spawnSync('rm', ['-rf', '--', slug]);
}
