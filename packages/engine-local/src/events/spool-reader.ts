import { join } from 'node:path';
import type { GatewayEvent } from '@borealis/contract';
import type { Logger } from 'pino';
import type { ClusterPaths } from '../home/paths.js';
import { readIfPresent, writeFileAtomic } from '../system/files.js';
import type { EventJournal } from './event-journal.js';
import { deleteConsumed, deleteWriter, pidOf, readSpool, writersIn } from './spool.js';
import { NOTHING_READ, type Progress, spoolProgress, type WriterProgress } from './spool-progress.js';

/**
 * Carries the events of one cluster's gateways into the journal, each at least once and those of one gateway in order, and knows
 * which tunnels are open, so that the end of each is told even when its gateway could not.
 */
export class SpoolReader {
  private constructor(
    private readonly clusterId: string,
    private readonly paths: ClusterPaths,
    private readonly journal: EventJournal,
    private readonly log: Logger,
    private progress: Progress,
  ) {}

  static async open(clusterId: string, paths: ClusterPaths, journal: EventJournal, log: Logger): Promise<SpoolReader> {
    const text = await readIfPresent(paths.spool);
    const start = text === null ? { writers: {} } : spoolProgress.parse(JSON.parse(text));
    return new SpoolReader(clusterId, paths, journal, log, start);
  }

  /** Reads all that the gateways have written so far. */
  async drain(): Promise<void> {
    for (const writer of await writersIn(this.directory)) while (await this.readSome(writer));
  }

  /**
   * Tells the end of every tunnel whose end its gateway did not live to tell, and forgets the gateways that are gone: all but those
   * of these pids.
   */
  async closeOpenTunnels(reason: string, living: readonly number[]): Promise<void> {
    await this.drain();
    const gone = Object.keys(this.progress.writers).filter((writer) => !living.includes(pidOf(writer)));
    for (const writer of gone) {
      await this.keep(endsOf(this.of(writer), reason), writer, { ...this.of(writer), open: {} });
      await deleteWriter(this.directory, writer);
    }
    const left = Object.entries(this.progress.writers).filter(([writer]) => !gone.includes(writer));
    if (gone.length > 0) await this.note({ writers: Object.fromEntries(left) });
  }

  private get directory(): string {
    return join(this.paths.gateway, 'events');
  }

  private of(writer: string): WriterProgress {
    return this.progress.writers[writer] ?? NOTHING_READ;
  }

  /** False when there was nothing new. */
  private async readSome(writer: string): Promise<boolean> {
    const { segment, offset, open } = this.of(writer);
    const batch = await readSpool(this.directory, writer, { segment, offset });
    if (batch.unreadable > 0)
      this.log.warn({ cluster: this.clusterId, lines: batch.unreadable }, 'the gateway wrote lines that are no events');
    const { position } = batch;
    if (position.segment === segment && position.offset === offset) return false;
    await this.keep(batch.events, writer, { ...position, open: stillOpen(open, batch.events) });
    await deleteConsumed(this.directory, writer, position);
    return true;
  }

  /** The journal first: killed in between, the events are told twice rather than never. */
  private async keep(events: GatewayEvent[], writer: string, next: WriterProgress): Promise<void> {
    await this.journal.append(events.map((event) => ({ ...event, clusterId: this.clusterId })));
    await this.note({ writers: { ...this.progress.writers, [writer]: next } });
  }

  private async note(next: Progress): Promise<void> {
    await writeFileAtomic(this.paths.spool, `${JSON.stringify(next)}\n`, 0o600);
    this.progress = next;
  }
}

function endsOf({ open }: WriterProgress, reason: string): GatewayEvent[] {
  const at = new Date().toISOString();
  return Object.values(open).flatMap((event): GatewayEvent[] =>
    event.type === 'tunnel-created' ? [{ ...event, type: 'tunnel-destroyed', seq: 0, at, reason }] : [],
  );
}

function stillOpen(before: WriterProgress['open'], events: readonly GatewayEvent[]): WriterProgress['open'] {
  const open = { ...before };
  for (const event of events) {
    if (event.type === 'tunnel-created') open[event.tunnelId] = event;
    if (event.type === 'tunnel-destroyed') delete open[event.tunnelId];
  }
  return open;
}
