export type SealedFileFault = 'not_sealed' | 'other_key' | 'other_name' | 'truncated' | 'damaged';

/** Why a sealed file is refused, in one sentence that names it. */
export class SealedFileError extends Error {
  constructor(
    readonly path: string,
    readonly fault: SealedFileFault,
    sentence: string,
    options?: ErrorOptions,
  ) {
    super(`The sealed file "${path}" ${sentence}.`, options);
    this.name = 'SealedFileError';
  }
}
