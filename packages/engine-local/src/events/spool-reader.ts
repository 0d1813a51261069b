import { join } from 'node:path';
import { type GatewayEvent, gatewayEvent } from '@borealis/contract';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ClusterPaths } from '../home/paths.js';
import { readIfPresent, writeFileAtomic } from '../system/files.js';
import type { EventJournal } from './event-journal.js';
import { deleteConsumed, readSpool } from './spool.js';

const progress = z.object({
  segment: z.string().nullable(),
  offset: z.number(),
  /** Tunnels that were created and not yet destroyed, as their events told. */
  open: z.record(z.string(), gatewayEvent),
});
type Progress = z.infer<typeof progress>;

/**
 * Carries one gateway's events into the journal, each at least once and in order, and knows which tunnels are open, so that the
 * end of each is told even when the gateway could not.
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
    const start = text === null ? { segment: null, offset: 0, open: {} } : progress.parse(JSON.parse(text));
    return new SpoolReader(clusterId, paths, journal, log, start);
  }

  /** Reads all that the gateway has written so far. */
  async drain(): Promise<void> {
    const directory = join(this.paths.gateway, 'events');
    for (;;) {
      const { segment, offset, open } = this.progress;
      const batch = await readSpool(directory, { segment, offset });
      if (batch.unreadable > 0)
        this.log.warn(
          { cluster: this.clusterId, lines: batch.unreadable },
          'the gateway wrote lines that are no events',
        );
      if (batch.position.segment === segment && batch.position.offset === offset) return;
      await this.keep(batch.events, { ...batch.position, open: stillOpen(open, batch.events) });
      await deleteConsumed(directory, batch.position);
    }
  }

  /** Tells the end of every tunnel whose end the gateway did not live to tell. Only call it when no gateway runs. */
  async closeOpenTunnels(reason: string): Promise<void> {
    await this.drain();
    const at = new Date().toISOString();
    const events = Object.values(this.progress.open).flatMap((event): GatewayEvent[] =>
      event.type === 'tunnel-created' ? [{ ...event, type: 'tunnel-destroyed', seq: 0, at, reason }] : [],
    );
    if (events.length > 0) await this.keep(events, { ...this.progress, open: {} });
  }

  /** The journal first: killed in between, the events are told twice rather than never. */
  private async keep(events: GatewayEvent[], next: Progress): Promise<void> {
    await this.journal.append(events.map((event) => ({ ...event, clusterId: this.clusterId })));
    await writeFileAtomic(this.paths.spool, `${JSON.stringify(next)}\n`, 0o600);
    this.progress = next;
  }
}

function stillOpen(before: Progress['open'], events: readonly GatewayEvent[]): Progress['open'] {
  const open = { ...before };
  for (const event of events) {
    if (event.type === 'tunnel-created') open[event.tunnelId] = event;
    if (event.type === 'tunnel-destroyed') delete open[event.tunnelId];
  }
  return open;
}
