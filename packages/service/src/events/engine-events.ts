import { once } from 'node:events';
import type { EventType, PrincipalKind } from '@borealis/contract';
import type { Engine, EngineEvent } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import type { ControlDatabase, Transaction } from '../database.js';
import { addonOf } from './addon-of.js';
import { type ClusterEventType, recordEvent } from './event-log.js';
import { tunnelKey } from './tunnel-key.js';
import { tunnelClosed, tunnelOpened } from './tunnel-tracking.js';

const WAIT_SECONDS = 20;

/** Takes events over from the engine: whatever they cause is written together with the cursor, so none is lost or taken twice. */
export class EngineEvents {
  constructor(
    private readonly db: ControlDatabase,
    private readonly engine: Engine,
    private readonly strands: Strands,
    private readonly onTaken: (event: EngineEvent) => void,
  ) {}

  /** Waits for events and takes them over; returns how many there were. Stopping ends the wait, not the writing. */
  async take(stopping: AbortSignal, waitSeconds = WAIT_SECONDS): Promise<number> {
    const before = await this.#cursor();
    const page = await abortable(this.engine.events(before, waitSeconds), stopping);
    if (!page) return 0;
    const { events, cursor } = page;
    if (cursor === null || cursor === before) return 0;
    await this.db.transaction(async (tx) => {
      for (const event of events) await this.#write(tx, event);
      await moveCursor(tx, cursor);
    });
    for (const event of events) this.onTaken(event);
    return events.length;
  }

  async #cursor(): Promise<string | null> {
    const row = await this.db.sql.selectFrom('engine_cursor').select('cursor').executeTakeFirst();
    return row?.cursor ?? null;
  }

  async #write(tx: Transaction, event: EngineEvent): Promise<void> {
    const addonId = await addonOf(tx, event);
    if (addonId === null) return;
    const isNew = await recordEvent(tx.sql, { addonId, ...describe(event) });
    if (isNew) await this.#follow(tx, addonId, event);
  }

  async #follow(tx: Transaction, addonId: string, event: EngineEvent): Promise<void> {
    let changed = false;
    if (event.type === 'tunnel-created') changed = await tunnelOpened(tx, addonId, event);
    if (event.type === 'tunnel-destroyed') changed = await tunnelClosed(tx, addonId, event);
    if (changed) await this.strands.signal(tx.client, addonId, 'access');
  }
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  if (signal.aborted) return null;
  const done = new AbortController();
  const aborted = once(signal, 'abort', { signal: done.signal }).then(
    () => null,
    () => null,
  );
  // The listener must go with each wait: the signal lives as long as the service.
  return Promise.race([work, aborted]).finally(() => done.abort());
}

async function moveCursor(tx: Transaction, cursor: string): Promise<void> {
  await tx.sql
    .insertInto('engine_cursor')
    .values({ cursor })
    .onConflict((conflict) => conflict.column('only_row').doUpdateSet({ cursor }))
    .execute();
}

const TUNNEL_EVENTS: Record<PrincipalKind, Record<'tunnel-created' | 'tunnel-destroyed', EventType>> = {
  app: { 'tunnel-created': 'app-secure-tunnel-created', 'tunnel-destroyed': 'app-secure-tunnel-destroyed' },
  personal: {
    'tunnel-created': 'personal-secure-tunnel-created',
    'tunnel-destroyed': 'personal-secure-tunnel-destroyed',
  },
  integration: {
    'tunnel-created': 'data-integration-secure-tunnel-created',
    'tunnel-destroyed': 'data-integration-secure-tunnel-destroyed',
  },
};

function describe(event: EngineEvent) {
  const key = `${event.clusterId}/${event.type}`;
  const at = new Date(event.at);
  switch (event.type) {
    case 'tunnel-created':
    case 'tunnel-destroyed': {
      const who = { app: {}, personal: { user: event.label }, integration: { integration: event.label } }[event.kind];
      const attributes = { client_address: event.address, ...who };
      return { type: TUNNEL_EVENTS[event.kind][event.type], attributes, at, dedupKey: tunnelKey(event) };
    }
    case 'ban-started':
    case 'ban-ended': {
      const attributes = { client_address: event.address };
      return { type: event.type satisfies ClusterEventType, attributes, at, dedupKey: unique(key, event) };
    }
    default:
      return { type: event.type, attributes: { what: event.what }, at, dedupKey: unique(key, event) };
  }
}

// Sequence numbers count up within one file of one process only; with the time they are as good as unique.
const unique = (key: string, { at, seq }: EngineEvent) => `${key}/${at}/${seq}`;
