import type { AddressInfo } from 'node:net';
import type { GatewayCommand, GatewayConfig, GatewayMoved, GatewayStatus } from '@borealis/contract';
import type { Logger } from 'pino';
import { readConfig, refuseChange } from './config-file.js';
import { type Answer, type Control, openControl } from './control.js';
import type { Moved, SqlFront } from './front.js';
import { Spool } from './spool.js';
import type { Cut } from './ssh/cuts.js';
import { SshDoor } from './ssh/door.js';
import { nativeCrypto } from './ssh/internals.js';
import { INHERITED_FD, startSuccessor } from './successor.js';

/** A stop that hangs is cut short after this many milliseconds; the keeper would wait no longer either. */
export const STOP_MS = 10_000;

type Hold = Extract<GatewayCommand, { op: 'hold' }>;
type HandOver = Extract<GatewayCommand, { op: 'hand-over' }>;

/** Makes the PostgreSQL side for a configuration. */
export type FrontFactory = (config: GatewayConfig, log: Logger) => SqlFront;

/** A gateway that runs from one directory: SSH door, PostgreSQL side, control socket and spool. */
export class Gateway {
  readonly #startedAt = new Date();
  #control: Control | undefined;
  #stopping: Promise<void> | undefined;
  #reloading: Promise<unknown> = Promise.resolve();
  #handingOver: Promise<Answer> | undefined;
  #draining: GatewayStatus['draining'] = null;

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

  /** Of the configuration in force. */
  get revision(): number {
    return this.config.revision;
  }

  /**
   * Starts a gateway from `gateway.json` in this directory; resolves when it accepts connections and commands. Rejects
   * with an Error of one sentence. `onStopped` is called when a stop, by command or `stop()`, is complete. A successor serves
   * the listening socket that the gateway before it has handed down.
   */
  static async start(
    directory: string,
    makeFront: FrontFactory,
    log: Logger,
    onStopped: () => void,
    isSuccessor = false,
  ): Promise<Gateway> {
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
    const run = (command: GatewayCommand) => listening.then(() => gateway.#run(command));
    gateway.#control = await openControl(directory, run, log, isSuccessor);
    gateway.address = await door.listen(isSuccessor ? { fd: INHERITED_FD } : config.listen);
    if (isSuccessor) gateway.#control.claim();
    listens();
    const { clusterId, revision } = config;
    log.info({ clusterId, revision, address: gateway.address, nativeCrypto }, 'The gateway accepts connections');
    return gateway;
  }

  /** Reads the file again and runs by it. One that is not valid changes nothing, and rejects with the reason. */
  reload(): Promise<GatewayMoved> {
    return this.#change((next) => this.front.reload(next));
  }

  /** Stops listening, ends sessions and tunnels, and removes the control socket. May be called again. */
  stop(reason: Cut = 'gateway-stopped'): Promise<void> {
    this.#stopping ??= this.#stopNow(reason);
    return this.#stopping;
  }

  /** One change at a time, each by the file as it is when its turn comes. */
  #change(apply: (next: GatewayConfig) => Promise<Moved>): Promise<GatewayMoved> {
    const turn = this.#reloading.then(() => this.#changeNow(apply));
    this.#reloading = turn.catch(() => {});
    return turn;
  }

  async #changeNow(apply: (next: GatewayConfig) => Promise<Moved>): Promise<GatewayMoved> {
    const next = await readConfig(this.directory);
    const refusal = refuseChange(this.config, next);
    if (refusal) throw new Error(refusal);
    const putInForce = this.door.prepare(next);
    const moving = apply(next); // throws before anything has changed
    putInForce();
    this.config = next;
    this.log.info({ revision: next.revision }, 'The gateway runs by a new configuration');
    return { ok: true, revision: next.revision, ...(await moving) };
  }

  async #stopNow(reason: Cut): Promise<void> {
    this.log.info({ reason }, 'The gateway stops');
    this.door.stopListening();
    await this.front.close();
    await this.door.close(reason);
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
        return this.reload();
      case 'ask':
        await this.front.ask();
        return { ok: true };
      case 'hold':
        return this.#hold(command);
      case 'resume':
        return this.#change((next) => this.front.resume(next));
      case 'close':
        return this.#close(command);
      case 'hand-over':
        return this.#handOver(command);
      case 'stop':
        await this.stop();
        return { ok: true };
    }
  }

  /** What the successor lets in meanwhile would not be held, and its server be stopped under it. */
  async #hold({ seconds, late }: Hold): Promise<Answer> {
    if (this.#handingOver !== undefined && this.#draining === null)
      throw new Error('Another gateway is just taking over from this one; hold both once it has.');
    return { ok: true, ...(await this.front.hold(seconds, late)) };
  }

  /** Asked again while it goes on, it is the same one. */
  #handOver(command: HandOver): Promise<Answer> {
    this.#handingOver ??= this.#handOverNow(command).catch((error) => {
      this.#handingOver = undefined;
      if (this.#stopping === undefined) this.#control?.claim(); // the one that failed may have
      throw error;
    });
    return this.#handingOver;
  }

  async #handOverNow({ node, script, drainSeconds }: HandOver): Promise<Answer> {
    if (this.#stopping !== undefined) throw new Error('The gateway is stopping.');
    if (this.front.holding) throw new Error('Sessions are held; another gateway can take over once they go on.');
    const { directory, door } = this;
    const pid = await startSuccessor({ node, script }, directory, door.descriptor, () => this.revision);
    this.#drain(drainSeconds);
    this.log.info({ successor: pid, ...this.#draining }, 'Another gateway has taken over; what is open here goes on');
    return { ok: true, pid };
  }

  /** Accepts nobody any more, and ends with the last connection. */
  #drain(seconds: number): void {
    const since = Date.now();
    const until = since + seconds * 1000;
    this.#draining = { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
    this.door.stopListening();
    setTimeout(() => this.#end('drained'), seconds * 1000).unref();
    this.door.whenEmpty(() => this.#end('drained'));
  }

  #end(reason: Cut): void {
    setTimeout(this.onStopped, STOP_MS).unref();
    void this.stop(reason);
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
      program: { node: process.version, script: process.argv[1] ?? '' },
      draining: this.#draining,
      revision: this.revision,
      nativeCrypto,
      tunnels: this.door.tunnels(),
      sessions: this.front.sessions,
      sessionsByVerifier: this.front.sessionsByVerifier(),
      counters: { ...this.door.counters.values, ...this.front.counters },
    };
  }
}
