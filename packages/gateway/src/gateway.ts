import type { AddressInfo } from 'node:net';
import type { GatewayCommand, GatewayConfig, GatewayStatus } from '@borealis/contract';
import type { Logger } from 'pino';
import { readConfig, refuseChange } from './config-file.js';
import { type Answer, type Control, openControl } from './control.js';
import type { SqlFront } from './front.js';
import { Spool } from './spool.js';
import { SshDoor } from './ssh/door.js';
import { nativeCrypto } from './ssh/internals.js';

/** Makes the PostgreSQL side for a configuration. */
export type FrontFactory = (config: GatewayConfig, log: Logger) => SqlFront;

/** A gateway that runs from one directory: SSH door, PostgreSQL side, control socket and spool. */
export class Gateway {
  readonly #startedAt = new Date();
  #control: Control | undefined;
  #stopping: Promise<void> | undefined;
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly directory: string,
    private config: GatewayConfig,
    private readonly front: SqlFront,
    private readonly door: SshDoor,
    private readonly spool: Spool,
    private readonly log: Logger,
    private readonly onStopped: () => void,
  ) {}

  /** Where it listens. */
  address: AddressInfo | null = null;

  /**
   * Starts a gateway from `gateway.json` in this directory; resolves when it accepts connections and commands. Rejects
   * with an Error of one sentence. `onStopped` is called when a stop, by command or `stop()`, is complete.
   */
  static async start(directory: string, makeFront: FrontFactory, log: Logger, onStopped: () => void): Promise<Gateway> {
    const config = await readConfig(directory);
    const front = makeFront(config, log);
    const spool: Spool = new Spool(directory, log, () => door.counters.add('events_lost'));
    const door: SshDoor = new SshDoor(config, front, log, (event) => spool.append(event));
    const gateway = new Gateway(directory, config, front, door, spool, log, onStopped);
    let listens = () => {};
    const listening = new Promise<void>((resolve) => {
      listens = resolve;
    });
    // The socket comes first, since it keeps a second gateway out; its first answer says that connections are accepted.
    gateway.#control = await openControl(directory, (command) => listening.then(() => gateway.#run(command)), log);
    gateway.address = await door.listen();
    listens();
    const { clusterId, revision } = config;
    log.info({ clusterId, revision, address: gateway.address, nativeCrypto }, 'The gateway accepts connections');
    return gateway;
  }

  /** Reads the file again and runs by it. One that is not valid changes nothing, and rejects with the reason. */
  reload(): Promise<number> {
    const turn = this.#reloading.then(() => this.#reloadNow());
    this.#reloading = turn.catch(() => {});
    return turn;
  }

  /** Stops listening, ends sessions and tunnels, and removes the control socket. May be called again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopNow();
    return this.#stopping;
  }

  async #reloadNow(): Promise<number> {
    const next = await readConfig(this.directory);
    const refusal = refuseChange(this.config, next);
    if (refusal) throw new Error(refusal);
    const putInForce = this.door.prepare(next);
    this.front.reload(next);
    putInForce();
    this.config = next;
    this.log.info({ revision: next.revision }, 'The gateway runs by a new configuration');
    return next.revision;
  }

  async #stopNow(): Promise<void> {
    this.log.info('The gateway stops');
    this.door.stopListening();
    await this.front.close();
    await this.door.close();
    this.spool.close();
    setImmediate(() => {
      this.#control?.close(); // after the answer to the stop command is written
      this.onStopped();
    });
  }

  async #run(command: GatewayCommand): Promise<Answer> {
    switch (command.op) {
      case 'status':
        return this.#status();
      case 'reload':
        return { ok: true, revision: await this.reload() };
      case 'close':
        return this.#close(command);
      case 'stop':
        await this.stop();
        return { ok: true };
    }
  }

  #close({ tunnelUsers, roles, credentials }: Extract<GatewayCommand, { op: 'close' }>): Answer {
    this.front.closeSessions(roles, credentials.verifierDigests);
    return { ok: true, tunnelsClosed: this.door.closeTunnels(tunnelUsers, credentials.fingerprints) };
  }

  #status(): GatewayStatus {
    return {
      ok: true,
      clusterId: this.config.clusterId,
      pid: process.pid,
      startedAt: this.#startedAt.toISOString(),
      revision: this.config.revision,
      nativeCrypto,
      tunnels: this.door.tunnels(),
      sessions: this.front.sessions,
      sessionsByVerifier: this.front.sessionsByVerifier(),
      counters: { ...this.door.counters.values, ...this.front.counters },
    };
  }
}
