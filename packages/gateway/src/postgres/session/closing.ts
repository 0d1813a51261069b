import type { Duplex } from 'node:stream';

const PATIENCE_MS = 5000;

/**
 * Says the last word on `stream` (the channel, or TLS on it), gives the client 5 s to take it and to close, then destroys the
 * channel. What the client still sends is thrown away.
 */
export function closeChannel(channel: Duplex, stream: Duplex, lastWord: Buffer | null): void {
  const timer = setTimeout(() => channel.destroy(), PATIENCE_MS);
  channel.once('close', () => clearTimeout(timer));
  if (channel.destroyed) clearTimeout(timer);
  if (stream.closed) endChannel(channel);
  else stream.once('close', () => endChannel(channel));
  stream.removeAllListeners('data');
  stream.resume();
  if (lastWord) stream.end(lastWord);
  else stream.end();
}

/** TLS is over, and its last record in the channel's hands: let it out before the channel goes. */
function endChannel(channel: Duplex): void {
  if (channel.writableFinished || channel.destroyed) channel.destroy();
  else channel.end(() => channel.destroy());
}
