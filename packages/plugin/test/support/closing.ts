import type { Server, Socket } from 'node:net';

/**
 * Gives the function that closes a server with every connection to it. `closeAllConnections` leaves those open that are not HTTP: a
 * CONNECT that was answered, a TLS handshake that nobody finishes.
 */
export function closing(server: Server): () => Promise<void> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
}
