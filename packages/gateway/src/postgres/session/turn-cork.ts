import type { Writable } from 'node:stream';

let corked: Writable[] = [];

/**
 * Writes, and holds back what is written to this stream until the end of the event loop's turn, so that all messages of a
 * turn leave in one system call and one TLS record. Returns what `write` does: false asks the source to pause.
 */
export function writeInTurn(stream: Writable, chunk: Buffer): boolean {
  if (stream.writableCorked === 0) {
    stream.cork();
    if (corked.length === 0) setImmediate(uncorkAll);
    corked.push(stream);
  }
  return stream.write(chunk);
}

function uncorkAll(): void {
  const streams = corked;
  corked = [];
  for (const stream of streams) uncork(stream);
}

/** A stream whose write throws dies alone. */
function uncork(stream: Writable): void {
  try {
    stream.uncork();
  } catch (error) {
    stream.destroy(error as Error);
  }
}
