import { EngineError } from '@borealis/engine';
import { SealedFileError } from '../archive/sealed-file-error.js';
import { StoreError } from './object-store.js';

/** Runs what reads a backup; what store or backup are guilty of becomes an `EngineError`. */
export async function explained<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError && error.fault === 'missing')
      throw new EngineError('not_found', `The store has no backup "${name}", or not all of it.`, { cause: error });
    if (error instanceof StoreError && error.fault !== 'damaged')
      throw new EngineError('unavailable', error.message, { cause: error });
    if (error instanceof StoreError || error instanceof SealedFileError) throw refusal(error.message, error);
    throw error;
  }
}

/** Why a backup cannot be used. */
export function refusal(reason: string, cause?: unknown): EngineError {
  return new EngineError('unsupported', `The backup cannot be used: ${reason.replace(/\.$/, '')}.`, { cause });
}
