export type ExtensionErrorCode = 'unsupported' | 'exists' | 'not_found' | 'dependencies' | 'dependents' | 'busy';

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
