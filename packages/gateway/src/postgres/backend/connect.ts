import { connect, type Socket } from 'node:net';

/** Bytes that may wait for PostgreSQL to read them, and be read ahead of the client, before the source is paused. */
const HIGH_WATER_MARK = 128 * 1024;

/** Opens a Unix socket; rejects with the system's error, or the signal's reason. Its later errors are followed by `close`. */
export function connectUnix(path: string, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Node passes stream options on to the socket it makes; its types do not say so.
    const options = { path, highWaterMark: HIGH_WATER_MARK, allowHalfOpen: false };
    const socket = connect(options);
    const abort = () => socket.destroy(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    socket.on('error', reject);
    socket.once('close', () => signal?.removeEventListener('abort', abort));
    socket.once('connect', () => {
      signal?.removeEventListener('abort', abort);
      resolve(socket);
    });
    if (signal?.aborted) abort();
  });
}
