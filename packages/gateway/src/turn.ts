let waiting: (() => void)[] = [];

/**
 * Calls back once all input that is at hand has been read, before the event loop waits for more. What a callback asks for is
 * done in the same turn: an answer becomes a TLS record, and that an SSH packet, without the loop going round in between.
 * Callbacks must not throw.
 */
export function atEndOfTurn(callback: () => void): void {
  if (waiting.length === 0) setImmediate(run);
  waiting.push(callback);
}

function run(): void {
  // Those that are added meanwhile are run too.
  for (const callback of waiting) callback();
  waiting = [];
}
