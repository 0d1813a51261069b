import type { EventType, PrincipalKind } from '@borealis/contract';
import type { Engine, EngineEvent, MajorUpgradeEvent, MinorUpgradeEvent } from '@borealis/engine';
import type { Strands } from '@borealis/strands';
import { bumpRevision } from '../access/revision.js';
import type { ControlDatabase, Transaction } from '../database.js';
import { untilStopped } from '../loop.js';
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
    const page = await untilStopped(this.engine.events(before, waitSeconds), stopping);
    if (!page) return 0;
    const { events, cursor } = page;
    if (cursor === null || cursor === before) return 0;
    await this.db.transaction(async (tx) => {
      const changed = new Set<string>();
      for (const event of events) {
        const addonId = await this.#write(tx, event);
        if (addonId !== null) changed.add(addonId);
      }
      await moveCursor(tx, cursor);
      await this.#renewAccess(tx, changed);
    });
    for (const event of events) this.onTaken(event);
    return events.length;
  }

  async #cursor(): Promise<string | null> {
    const row = await this.db.sql.selectFrom('engine_cursor').select('cursor').executeTakeFirst();
    return row?.cursor ?? null;
  }

  /** The add-on whose access document the event changes; null when it changes none. */
  async #write(tx: Transaction, event: EngineEvent): Promise<string | null> {
    const addonId = await addonOf(tx, event);
    if (addonId === null) return null;
    const isNew = await recordEvent(tx.sql, { addonId, ...describe(event) });
    return isNew && (await follow(tx, addonId, event)) ? addonId : null;
  }

  // When every add-on of the page is locked: tenants share a cluster, and whoever holds its row must not wait for an add-on's.
  async #renewAccess(tx: Transaction, addonIds: Set<string>): Promise<void> {
    for (const id of addonIds) await this.strands.signal(tx.client, id, 'access');
    for (const id of addonIds) await bumpRevision(tx.sql, id);
  }
}

async function follow(tx: Transaction, addonId: string, event: EngineEvent): Promise<boolean> {
  if (event.type === 'tunnel-created') return tunnelOpened(tx, addonId, event);
  if (event.type === 'tunnel-destroyed') return tunnelClosed(tx, addonId, event);
  return false;
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
    case 'failover-started':
    case 'failover-completed': {
      const type: EventType = `db-${event.type}`;
      const { milliseconds, kept, closed } = event.outcome ?? { kept: null, closed: null };
      const attributes = {
        what: event.what,
        ...(milliseconds !== undefined && { milliseconds }),
        ...(kept !== null && { sessions_kept: kept }),
        ...(closed !== null && { sessions_closed: closed }),
      };
      return { type, attributes, at, dedupKey: unique(key, event) };
    }
    case 'minor-upgrade-started':
    case 'minor-upgrade-completed':
    case 'minor-upgrade-failed':
    case 'major-upgrade-started':
    case 'major-upgrade-completed':
    case 'major-upgrade-failed':
    case 'major-upgrade-cancelled':
    case 'major-upgrade-reverted':
      return {
        type: `db-${event.type}` as const,
        attributes: describeUpgrade(event),
        at,
        dedupKey: unique(key, event),
      };
    default:
      return { type: event.type, attributes: { what: event.what }, at, dedupKey: unique(key, event) };
  }
}

function describeUpgrade(event: MinorUpgradeEvent | MajorUpgradeEvent): Record<string, string | number> {
  const versions = { from_version: event.from, to_version: event.to };
  if ('what' in event) return { ...versions, reason: event.what };
  if (!('closed' in event)) return versions;
  const closed = Object.entries(event.closed);
  const kinds = closed.map(([kind, count]) => `${kind}:${count}`).join(',');
  return {
    ...versions,
    ...(event.pauseMs === null ? {} : { pause_ms: event.pauseMs }),
    ...(event.kept === null ? {} : { sessions_kept: event.kept }),
    sessions_closed: closed.reduce((sum, [, count]) => sum + count, 0),
    ...(kinds === '' ? {} : { closed_by_kind: kinds }),
  };
}

// Sequence numbers count up within one file of one process only; with the time they are as good as unique.
const unique = (key: string, { at, seq }: EngineEvent) => `${key}/${at}/${seq}`;
