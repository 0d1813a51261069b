import { EngineError } from '@borealis/engine';
import { ExtensionError, ReleaseError } from '@borealis/postgres';

/** Any failure as one of the engine's, with one sentence. A full disk is recognised however deep it lies. */
export function toEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (isDiskFull(error)) return new EngineError('no_room', 'There is no room left on the disk.', { cause: error });
  if (error instanceof ReleaseError && error.code === 'unsupported')
    return new EngineError('unsupported', error.message, { cause: error });
  if (error instanceof ExtensionError)
    return new EngineError(error.code === 'busy' ? 'not_ready' : error.code, error.message, {
      details: error.details,
      cause: error,
    });
  const message = error instanceof Error ? error.message : String(error);
  return new EngineError('internal', message, { cause: error });
}

function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  // 53100: PostgreSQL's own word for it; its programs only print the system's sentence.
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === '53100') return true;
  return /No space left on device|ENOSPC/.test(error.message) || isDiskFull(error.cause);
}
