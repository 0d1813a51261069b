import { type AddressInfo, connect, type Socket } from 'node:net';
import ssh2, { type Connection, type ParsedKey } from 'ssh2';
import { sshKey } from '../../../../test/support/ssh-key.js';

const { Server, utils } = ssh2;

/** A real SSH server that forwards one database host to a local port, and counts what it sees. */
export class SshServer {
  readonly clientKey = sshKey();
  readonly hostKey = sshKey();
  readonly ciphers: string[] = [];
  logins = 0;
  acceptsKeys = true;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection>();
  readonly #server: ssh2.Server;

  constructor(databaseHost: string, databasePort: () => number) {
    const allowed = utils.parseKey(this.clientKey.public) as ParsedKey;
    this.#server = new Server({ hostKeys: [this.hostKey.private] }, (connection) => {
      this.#connections.add(connection);
      connection.on('error', () => {}).on('close', () => this.#connections.delete(connection));
      connection.on('handshake', ({ cs }) => this.ciphers.push(cs.cipher));
      connection.on('authentication', (context) => {
        const right = context.method === 'publickey' && context.key.data.equals(allowed.getPublicSSH());
        if (!right || !this.acceptsKeys) return context.reject(['publickey']);
        if (context.signature && !allowed.verify(context.blob as Buffer, context.signature, context.hashAlgo))
          return context.reject(['publickey']);
        context.accept();
      });
      connection.on('ready', () => {
        this.logins++;
        connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
          if (destIP !== databaseHost || destPort !== 5432) return reject();
          const channel = accept();
          const socket = connect({ host: '127.0.0.1', port: databasePort(), allowHalfOpen: true, noDelay: true });
          socket.on('error', () => channel.destroy()).on('close', () => channel.close());
          channel.on('error', () => {}).on('close', () => socket.destroySoon());
          channel.pipe(socket).pipe(channel);
        });
      });
    });
    const raw = (this.#server as unknown as { _srv: import('node:net').Server })._srv;
    raw.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The answer of the add-on API that leads here. */
  get sshUser(): Record<string, unknown> {
    const key = utils.parseKey(this.hostKey.public) as ParsedKey;
    return {
      sshHost: '127.0.0.1',
      sshPort: this.port,
      sshUsername: 'p-test',
      sshPrivateKey: this.clientKey.private,
      publicSshHostKey: `ssh-ed25519 ${key.getPublicSSH().toString('base64')} a comment`,
    };
  }

  /** Cuts every connection, as a network that goes away. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.drop();
    await closed;
  }
}
