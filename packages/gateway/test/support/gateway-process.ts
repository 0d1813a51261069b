import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { GatewayEvent, GatewayStatus } from '@borealis/contract';
import { waitFor } from './wait.js';

const ENTRY = path.resolve(import.meta.dirname, '../../dist/fuzz/echo-gateway.js');

/** A real gateway process, with an echo where PostgreSQL would be. */
export class GatewayProcess {
  readonly log: Record<string, unknown>[] = [];
  exit: { code: number | null; signal: string | null } | undefined;
  port = 0;
  readonly #successors: number[] = [];

  private constructor(
    readonly child: ChildProcess,
    readonly directory: string,
  ) {
    createInterface({ input: child.stdout! }).on('line', (line) => this.log.push(JSON.parse(line)));
    child.once('exit', (code, signal) => {
      this.exit = { code, signal };
    });
  }

  /** Resolves when it listens, or when it has ended: see `exit` then. `listener` becomes its descriptor 3. */
  static async start(directory: string, entry = ENTRY, listener?: number): Promise<GatewayProcess> {
    const stdio: StdioOptions = ['ignore', 'pipe', 'inherit', ...(listener === undefined ? [] : [listener])];
    const child = spawn(process.execPath, [entry, directory], { stdio });
    const gateway = new GatewayProcess(child, directory);
    await waitFor('the gateway to start', () => gateway.exit ?? gateway.#listening());
    gateway.port = gateway.#listening() ?? 0;
    return gateway;
  }

  #listening(): number | undefined {
    const line = this.log.find((entry) => entry.msg === 'The gateway accepts connections');
    return (line?.address as { port: number } | undefined)?.port;
  }

  /** Sends raw text to a control socket, that of the current gateway when no pid is named, and gives the answers, one a line. */
  async controlRaw(text: string, answers = 1, pid?: number): Promise<Record<string, unknown>[]> {
    const socket = net.connect(path.join(this.directory, `${pid ?? 'control'}.sock`));
    socket.on('error', () => {}); // the gateway may end while we wait
    const lines: Record<string, unknown>[] = [];
    createInterface({ input: socket }).on('line', (line) => lines.push(JSON.parse(line)));
    await once(socket, 'connect');
    socket.write(text);
    await waitFor('an answer', () => lines.length >= answers || socket.closed);
    socket.destroy();
    return lines;
  }

  async control(command: object, pid?: number): Promise<Record<string, unknown>> {
    return (await this.controlRaw(`${JSON.stringify(command)}\n`, 1, pid))[0]!;
  }

  async status(pid?: number): Promise<GatewayStatus> {
    return (await this.control({ op: 'status' }, pid)) as unknown as GatewayStatus;
  }

  /** Lets another gateway of the same program take over, and gives its pid. */
  async handOver(drainSeconds = 3600): Promise<number> {
    const answer = await this.control({ op: 'hand-over', node: process.execPath, script: ENTRY, drainSeconds });
    if (!answer.ok) throw new Error(String(answer.error));
    this.#successors.push(answer.pid as number);
    return answer.pid as number;
  }

  async counter(label: string): Promise<number> {
    return (await this.status()).counters[label] ?? 0;
  }

  /** Events of all segments, oldest first. */
  events(): GatewayEvent[] {
    const folder = path.join(this.directory, 'events');
    const segments = readdirSync(folder).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    const lines = segments.flatMap((name) => readFileSync(path.join(folder, name), 'utf8').split('\n').filter(Boolean));
    return lines.map((line) => JSON.parse(line) as GatewayEvent);
  }

  /** Resident memory in MiB. */
  rss(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }

  openFiles(): number {
    return readdirSync(`/proc/${this.child.pid}/fd`).length;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async ended(): Promise<void> {
    await waitFor('the gateway to end', () => this.exit);
  }

  /** For the end of a test: kills it and its successors if they still run. */
  async destroy(): Promise<void> {
    // Directly, since the pid of one that is gone may be another's.
    for (const pid of this.#successors) if (isGateway(pid, this.directory)) process.kill(pid, 'SIGKILL');
    if (!this.exit) this.kill('SIGKILL');
    await this.ended();
    await waitFor('the successors to end', () => !this.#successors.some((pid) => isGateway(pid, this.directory)));
  }
}

/** True while a gateway of that directory runs under this pid. */
export function isGateway(pid: number, directory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(directory);
  } catch {
    return false;
  }
}
