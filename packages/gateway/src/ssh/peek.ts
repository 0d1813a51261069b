import type { Socket } from 'node:net';
import { type Profile, profileFor, scanIdent } from './ident.js';

/** How long a client may keep its identification line back before it gets the compatible offer, in milliseconds. */
const PEEK_MS = 400;

/**
 * Reads a client's identification line and puts it back, then calls `done` exactly once with the cipher offer that
 * suits it. `done` is never called when the socket closes first.
 */
export function peekProfile(socket: Socket, done: (profile: Profile) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const finish = (line: string | null) => {
    clearTimeout(timer);
    clearImmediate(last);
    socket.off('readable', onReadable);
    socket.off('close', onClose);
    if (socket.destroyed) return;
    if (seen.length > 0) socket.unshift(seen);
    done(profileFor(line));
  };
  const onReadable = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    }
    const scan = scanIdent(seen);
    if (scan.done) finish(scan.line);
  };
  const onClose = () => clearTimeout(timer);
  let last: NodeJS.Immediate | undefined;
  // What came while this process had no time for it is read first, however late it is by now.
  const timer = setTimeout(() => {
    last = setImmediate(() => finish(null));
  }, PEEK_MS);
  socket.on('readable', onReadable);
  socket.once('close', onClose);
}
