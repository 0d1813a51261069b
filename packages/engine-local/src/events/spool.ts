import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type GatewayEvent, gatewayEvent } from '@borealis/contract';
import { isSystemError } from '../system/files.js';

/**
 * The events of a cluster's gateways: each of them is a writer, `<start ms>-<pid>`, with segments of its own.
 */

/** How far a writer's events have been read: everything before `offset` bytes of `segment`, and all older segments. */
export interface SpoolPosition {
  segment: string | null;
  offset: number;
}

export interface SpoolBatch {
  events: GatewayEvent[];
  position: SpoolPosition;
  /** Lines that are no events: told in the log, never kept. */
  unreadable: number;
}

const SEGMENT = /^(\d+)-(\d+)-(\d+)\.jsonl$/;
const BATCH_BYTES = 1024 * 1024;

/**
 * Reads on from the writer's position, at most about a megabyte. Only whole lines count. The directory belongs to the gateway's user, so
 * nothing in it is followed through a link or believed before it is checked.
 */
export async function readSpool(directory: string, writer: string, from: SpoolPosition): Promise<SpoolBatch> {
  const batch: SpoolBatch = { events: [], position: from, unreadable: 0 };
  let bytes = 0;
  for (const segment of await segmentsFrom(directory, writer, from.segment)) {
    const offset = segment === batch.position.segment ? batch.position.offset : 0;
    const text = await readFrom(join(directory, segment), offset);
    const whole = text.subarray(0, text.lastIndexOf('\n') + 1);
    for (const line of whole.toString().split('\n').slice(0, -1)) {
      const event = parseEvent(line);
      if (event) batch.events.push(event);
      else batch.unreadable++;
    }
    // A line longer than a whole batch is nothing a gateway writes: it is skipped, or it would be read for ever.
    const skip = whole.length === 0 && text.length >= BATCH_BYTES;
    if (skip) batch.unreadable++;
    batch.position = { segment, offset: offset + (skip ? text.length : whole.length) };
    bytes += text.length;
    if (bytes >= BATCH_BYTES) break;
  }
  return batch;
}

/** Deletes segments that were read to their end and will not grow: all of the writer's that are older than the position's. */
export async function deleteConsumed(directory: string, writer: string, { segment }: SpoolPosition): Promise<void> {
  if (segment === null) return;
  for (const name of await segmentsOf(directory, writer)) {
    if (compare(name, segment) >= 0) return;
    await rm(join(directory, name), { force: true });
  }
}

/** Deletes all that a writer has left. Only for one that is gone and was read to its end. */
export async function deleteWriter(directory: string, writer: string): Promise<void> {
  for (const name of await segmentsOf(directory, writer)) await rm(join(directory, name), { force: true });
}

/** Whose segments there are, those that started first before the others. */
export async function writersIn(directory: string): Promise<string[]> {
  return [...new Set((await listSegments(directory)).map(writerOf))];
}

/** The writer of a segment. */
export function writerOf(segment: string): string {
  return segment.slice(0, segment.lastIndexOf('-'));
}

export function pidOf(writer: string): number {
  return Number(writer.split('-')[1]);
}

async function segmentsFrom(directory: string, writer: string, segment: string | null): Promise<string[]> {
  const all = await segmentsOf(directory, writer);
  return segment === null ? all : all.filter((name) => compare(name, segment) >= 0);
}

async function segmentsOf(directory: string, writer: string): Promise<string[]> {
  return (await listSegments(directory)).filter((name) => writerOf(name) === writer);
}

async function listSegments(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => SEGMENT.test(name)).sort(compare);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}

/** By start time, then by number: the order in which they were written. */
function compare(a: string, b: string): number {
  const [, startA, pidA, numberA] = SEGMENT.exec(a)!.map(Number);
  const [, startB, pidB, numberB] = SEGMENT.exec(b)!.map(Number);
  return startA! - startB! || pidA! - pidB! || numberA! - numberB!;
}

async function readFrom(path: string, offset: number): Promise<Buffer> {
  const file = await openOwn(path);
  if (!file) return Buffer.alloc(0);
  try {
    const found = await file.stat();
    const length = found.isFile() ? Math.min(found.size - offset, BATCH_BYTES) : 0;
    if (length <= 0) return Buffer.alloc(0);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Null for links and for what is gone meanwhile; never blocks, as a pipe in the segment's place would. */
async function openOwn(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isSystemError(error, 'ELOOP', 'EMLINK', 'ENOENT', 'ENXIO')) return null;
    throw error;
  }
}

function parseEvent(line: string): GatewayEvent | null {
  try {
    return gatewayEvent.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
