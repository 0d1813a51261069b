import type { AddressInfo } from 'node:net';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import { sshKey } from '../../../../test/support/ssh-key.js';

const { Server, utils } = ssh2;

/** The far end of a tunnel: takes one user with one key and answers each line on a forwarded connection with the host asked for. */
export class SshServer {
  readonly clientKey = sshKey();
  readonly #hostKey = sshKey();
  readonly user: string;
  port = 0;
  /** Logins that succeeded, ever. */
  logins = 0;
  /** Attempts with a wrong user or key. */
  refused = 0;
  acceptKeys = true;
  readonly #connections = new Set<Connection>();
  #server: InstanceType<typeof Server> | undefined;

  constructor(readonly name: string) {
    this.user = `u-${name}`;
  }

  async listen(): Promise<this> {
    const server = new Server({ hostKeys: [this.#hostKey.private] }, (connection) => this.#accept(connection));
    server.listen(this.port, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  get hostKey(): string {
    return this.#hostKey.public;
  }

  get open(): number {
    return this.#connections.size;
  }

  /** Cuts every connection, as a network would. */
  drop(): void {
    for (const connection of this.#connections) connection.end();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
  }

  #accept(connection: Connection): void {
    const key = utils.parseKey(this.clientKey.public);
    if (key instanceof Error) throw key;
    connection.on('error', () => {});
    connection.on('authentication', (context) => {
      const known =
        context.method === 'publickey' &&
        this.acceptKeys &&
        context.username === this.user &&
        context.key.data.equals(key.getPublicSSH());
      if (known) return context.accept();
      if (context.method === 'publickey') this.refused++;
      context.reject(['publickey']);
    });
    connection.on('ready', () => {
      this.logins++;
      this.#connections.add(connection);
      connection.once('close', () => this.#connections.delete(connection));
      connection.on('tcpip', (accept, _reject, to) => this.#echo(accept(), `${to.destIP}:${to.destPort}`));
    });
  }

  #echo(channel: ServerChannel, destination: string): void {
    channel.on('data', (line: Buffer) => channel.write(`${this.name} ${destination} ${line.toString()}`));
    channel.on('end', () => channel.end());
  }
}
