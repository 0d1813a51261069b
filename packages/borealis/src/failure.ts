import { PoolError, StoreError } from '@borealis/engine-local';
import { ReleaseError } from '@borealis/postgres';

/** Something that a person must know and can act on: printed as its one sentence, without a stack, exit status 1. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

/** The sentence for an operating-system error that people meet, or null for one that is ours to explain. */
export function explain(error: unknown): string | null {
  const known = [Failure, ReleaseError, PoolError, StoreError];
  if (known.some((kind) => error instanceof kind)) return (error as Error).message;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const path = (error as NodeJS.ErrnoException | null)?.path;
  if (code === 'ENOSPC') return `The disk is full${path ? ` (${path})` : ''}: free some space and start again.`;
  if (code === 'EACCES' || code === 'EPERM')
    return `No permission for ${path ?? 'a needed file'}: start as its owner, or set BOREALIS_HOME.`;
  if (code === 'EROFS')
    return `The file system is read-only (${path ?? ''}): set BOREALIS_HOME to a directory that can be written.`;
  return null;
}
