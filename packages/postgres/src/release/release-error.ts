/** `unsupported`: not for this machine or not offered. `unavailable`: may work later. `corrupt`: not what was asked for. */
export type ReleaseErrorCode = 'unsupported' | 'unavailable' | 'corrupt';

/** Why programs of PostgreSQL cannot be had, in one sentence for people. */
export class ReleaseError extends Error {
  constructor(
    readonly code: ReleaseErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'ReleaseError';
  }
}
