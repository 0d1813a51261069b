import { cacheDirectory, ensureClientTools } from '@borealis/postgres';
import { SPEC } from './home.js';

/** True where backups of a cluster like `SPEC` can be made. */
export function canBackUp(): Promise<boolean> {
  return ensureClientTools({ major: SPEC.major, cacheDir: cacheDirectory() }).then(
    () => true,
    () => false,
  );
}
