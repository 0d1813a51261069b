import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { CLIError } from '@oclif/core/errors';
import type { ClientChannel } from 'ssh2';

export type OpenChannel = (fromPort: number) => Promise<ClientChannel>;

/** Listens on a loopback address and gives every connection a channel of its own, with backpressure both ways. */
export class Forwarder {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #open: OpenChannel;
  readonly #onRefused: (error: Error) => void;

  constructor(open: OpenChannel, onRefused: (error: Error) => void) {
    this.#open = open;
    this.#onRefused = onRefused;
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    this.#server = createServer(options, (socket) => void this.#forward(socket));
  }

  /** Starts to listen; port 0 takes any free one. Resolves with the port, throws a sentence when it cannot be had. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => reject(listenFailure(error, port)));
      this.#server.listen({ host, port }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #forward(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => this.#sockets.delete(socket));
    try {
      const channel = await this.#open(socket.remotePort ?? 0);
      if (socket.destroyed) channel.destroy();
      else join(socket, channel);
    } catch (error) {
      if (!socket.destroyed) this.#onRefused(error as Error);
      socket.destroy();
    }
  }
}

/** Bytes and ends of stream pass both ways; when one side is gone the other follows, after what is on its way. */
function join(socket: Socket, channel: ClientChannel): void {
  channel.on('error', () => channel.destroy());
  channel.once('close', () => socket.destroySoon());
  socket.once('close', () => channel.destroy());
  socket.pipe(channel).pipe(socket);
}

function listenFailure(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code === 'EADDRINUSE')
    return new PortInUse(`Local port ${port} is already in use. Choose another one with --port (-p)`);
  if (error.code === 'EACCES')
    return new CLIError(`Local port ${port} needs an administrator. Choose one above 1023 with --port (-p)`, {
      exit: 1,
    });
  return new CLIError(`Cannot listen on local port ${port}: ${error.message}`, { exit: 1 });
}

export class PortInUse extends CLIError {
  constructor(message: string) {
    super(message, { exit: 1 });
  }
}
