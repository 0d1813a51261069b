import { inspect } from 'node:util';

/**
 * A value that must never be printed: string conversion, JSON, template literals and `console.log` all give
 * `[redacted]`. Only `reveal()` gives the value, so every place that lets it out can be found by that word.
 */
export class Secret<T = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return '[redacted]';
  }
}
