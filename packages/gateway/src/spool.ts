import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { GatewayEvent } from '@borealis/contract';
import type { Logger } from 'pino';
import type { DoorEvent } from './ssh/door.js';

/** A segment is closed when it has this many events, so that its reader can delete what it has consumed. */
const SEGMENT_EVENTS = 1000;
/** Segments kept when nobody consumes them (some 70 MB); then the oldest goes. */
const MAX_SEGMENTS = 256;

/** Contents of an event without the members that the spool itself gives. */
type Body = GatewayEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'seq' | 'at'> : never) : never;

/**
 * Appends events to files, one JSON object a line. An event is in the kernel's hands when `append` returns: a kill of the
 * process loses none. A full disk is logged and counted; it never stops the gateway.
 */
export class Spool {
  readonly #directory: string;
  readonly #started = Date.now();
  #fd: number | undefined;
  #file = '';
  #segment = 0;
  #seq = 0;

  /** Makes the directory `events` in the gateway's own when it is not there. */
  constructor(
    gatewayDirectory: string,
    private readonly log: Logger,
    private readonly onLost: () => void,
  ) {
    this.#directory = path.join(gatewayDirectory, 'events');
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  append(event: DoorEvent): void {
    try {
      if (this.#seq >= SEGMENT_EVENTS) this.close();
      const line = { ...bodyOf(event), seq: this.#seq, at: new Date().toISOString() };
      const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
      const written = writeSync(this.#open(), bytes);
      this.#seq++;
      if (written < bytes.length) throw new Error('the disk is full');
    } catch (error) {
      this.#abandon(); // a torn line may be the last of its segment only
      this.onLost();
      this.log.error({ event: event.type, error: (error as Error).message }, 'An event could not be written');
    }
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    this.#seq = 0;
    if (fd !== undefined) closeSync(fd);
  }

  /** A full disk must not leave an empty segment for each event: they would push out those that hold some. */
  #abandon(): void {
    try {
      if (this.#fd !== undefined && fstatSync(this.#fd).size === 0) rmSync(this.#file, { force: true });
      this.close();
    } catch {
      // The event is lost in any case, and that is told.
    }
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    this.#dropOldest();
    const name = `${this.#started}-${process.pid}-${this.#segment++}.jsonl`;
    this.#file = path.join(this.#directory, name);
    this.#fd = openSync(this.#file, 'ax', 0o600);
    return this.#fd;
  }

  #dropOldest(): void {
    const segments = readdirSync(this.#directory).filter((name) => name.endsWith('.jsonl'));
    if (segments.length < MAX_SEGMENTS) return;
    const oldest = segments.sort((a, b) => order(a) - order(b) || a.length - b.length || (a < b ? -1 : 1))[0]!;
    rmSync(path.join(this.#directory, oldest), { force: true });
    this.onLost();
    this.log.error({ segment: oldest }, 'Nobody reads the events: the oldest ones are dropped');
  }
}

function order(segment: string): number {
  return Number.parseInt(segment, 10);
}

function bodyOf(event: DoorEvent): Body {
  if (!('tunnel' in event)) return event;
  const { id, user, address } = event.tunnel;
  const reason = event.reason === undefined ? {} : { reason: event.reason };
  const { username, kind, label } = user;
  return { type: event.type, tunnelId: id, username, kind, label, address, ...reason };
}
