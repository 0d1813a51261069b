import type { Writable } from 'node:stream';
import { atEndOfTurn } from '../../turn.js';

/**
 * Writes, and holds back what is written to this stream until the end of the event loop's turn, so that all messages of a
 * turn leave in one system call and one TLS record. Returns what `write` does: false asks the source to pause.
 */
export function writeInTurn(stream: Writable, chunk: Buffer): boolean {
  if (stream.writableCorked === 0) {
    stream.cork();
    atEndOfTurn(() => uncork(stream));
  }
  return stream.write(chunk);
}

/** A stream whose write throws dies alone. */
function uncork(stream: Writable): void {
  try {
    stream.uncork();
  } catch (error) {
    stream.destroy(error as Error);
  }
}
