import type { WantedDatabase } from '../access/wanted.js';

export type ExtensionErrorCode =
  | 'conflict'
  | 'unsupported'
  | 'exists'
  | 'not_found'
  | 'dependencies'
  | 'dependents'
  | 'busy';

/** Why an extension was not installed or removed, in one sentence; nothing was changed. */
export class ExtensionError extends Error {
  constructor(
    readonly code: ExtensionErrorCode,
    message: string,
    options: { details?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.name = 'ExtensionError';
    this.details = options.details ?? [];
  }

  /** What `dependencies` and `dependents` are about: names of extensions, or descriptions of objects. */
  readonly details: readonly string[];
}

/** What a restricted database would gain or lose here, lifting the restriction could not give back as it was. */
export function refuseRestricted({ name, restricted }: WantedDatabase): void {
  if (!restricted) return;
  throw new ExtensionError(
    'conflict',
    `The database "${name}" is restricted to reading: its extensions stay as they are.`,
  );
}
