import { DEFAULT_LOCAL_PORT } from '../flags.js';
import type { Session } from '../session.js';
import { Forwarder, PortInUse } from './forwarder.js';
import { type LinkEvents, SshLink } from './ssh-link.js';

export interface TunnelEvents extends LinkEvents {
  /** The server would not open a channel for one local connection; the tunnel goes on. */
  onRefused(error: Error): void;
}

export interface LocalEnd {
  host: string;
  /** The port that was asked for; undefined asks for the usual one. */
  port: number | undefined;
  /** Whether any free port will do when the usual one is taken. A port that was asked for is never replaced. */
  anyPort: boolean;
}

/** A secure tunnel: a local port on which every connection leads to the database. */
export class Tunnel {
  readonly port: number;
  readonly #link: SshLink;
  readonly #forwarder: Forwarder;

  private constructor(port: number, link: SshLink, forwarder: Forwarder) {
    this.port = port;
    this.#link = link;
    this.#forwarder = forwarder;
  }

  /** Resolves when the tunnel is ready for connections. On failure nothing stays open. */
  static async open({ ssh, database }: Session, local: LocalEnd, events: TunnelEvents): Promise<Tunnel> {
    const link = await SshLink.open(ssh, events);
    const open = () => new Forwarder((fromPort) => link.channel(database, fromPort), events.onRefused);
    try {
      const [forwarder, port] = await listen(open, local);
      return new Tunnel(port, link, forwarder);
    } catch (error) {
      link.close();
      throw error;
    }
  }

  close(): void {
    this.#forwarder.close();
    this.#link.close();
  }
}

async function listen(open: () => Forwarder, local: LocalEnd): Promise<[Forwarder, number]> {
  const first = open();
  try {
    return [first, await first.listen(local.host, local.port ?? DEFAULT_LOCAL_PORT)];
  } catch (error) {
    if (!(error instanceof PortInUse) || local.port !== undefined || !local.anyPort) throw error;
    const second = open();
    return [second, await second.listen(local.host, 0)];
  }
}
