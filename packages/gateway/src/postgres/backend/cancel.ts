import { cancelRequest } from '../wire/messages.js';
import { connectUnix } from './connect.js';

const PATIENCE_MS = 5000;

/**
 * Asks PostgreSQL to cancel what the backend with this key is doing. Resolves when the server has closed the request's
 * connection, which it does after the signal was sent, or after 5 s; never rejects, since a cancel is a hint.
 */
export async function cancelBackend(socketPath: string, key: Buffer): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const socket = await connectUnix(socketPath, signal);
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      signal.addEventListener('abort', () => socket.destroy(), { once: true });
      socket.resume();
      socket.write(cancelRequest(key));
    });
  } catch {
    // The server is gone, and the query with it.
  }
}
