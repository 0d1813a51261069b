import { constants } from 'node:fs';
import { chown, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { listCopiedFiles } from '@borealis/postgres';
import { z } from 'zod';
import { ByteReader } from '../archive/byte-reader.js';
import { type Ownership, syncDirectory } from '../system/files.js';

const LENGTH_BYTES = 4;
const READ_BYTES = 1024 * 1024;
const LABEL = 'backup_label';

const header = z.union([z.object({ directory: z.string() }), z.object({ file: z.string(), bytes: z.number() })]);

/** A piece of the stream: a header, or a file's content. */
interface Piece {
  bytes: number;
  read(from: number, to: number): AsyncGenerator<Buffer>;
}

/** A base's data as one stream, the same one each time, of which any part can be read by itself. */
export class PackedTree {
  private constructor(
    private readonly pieces: readonly Piece[],
    readonly bytes: number,
  ) {}

  static async of(root: string): Promise<PackedTree> {
    const { directories, files } = await listCopiedFiles(root);
    const label = { path: LABEL, bytes: (await lstat(join(root, LABEL))).size };
    const byPath = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
    const pieces = [
      ...[...directories].sort().map((directory) => headerPiece({ directory })),
      ...[...byPath, label].flatMap(({ path, bytes }) => [
        headerPiece({ file: path, bytes }),
        { bytes, read: (from: number, to: number) => readRange(join(root, path), from, to) },
      ]),
    ];
    return new PackedTree(
      pieces,
      pieces.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  }

  /** The bytes from `from` up to `to`. */
  async *read(from: number, to: number): AsyncGenerator<Buffer> {
    let at = 0;
    for (const { bytes, read } of this.pieces) {
      const [begin, end] = [Math.max(from - at, 0), Math.min(to - at, bytes)];
      if (begin < end) yield* read(begin, end);
      at += bytes;
    }
  }
}

function headerPiece(content: z.infer<typeof header>): Piece {
  const text = Buffer.from(JSON.stringify(content));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  const all = Buffer.concat([length, text]);
  return {
    bytes: all.length,
    async *read(from, to) {
      yield all.subarray(from, to);
    },
  };
}

async function* readRange(path: string, from: number, to: number): AsyncGenerator<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (let at = from; at < to; ) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, to - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error(`"${path}" became shorter while it was read.`);
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Makes the tree of a packed stream in `target`, a new directory, durably; everything in it belongs to `owner`. */
export async function unpackTree(
  stream: AsyncIterable<Buffer>,
  target: string,
  owner: Ownership | null,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const reader = new ByteReader(stream);
  const directories = [target];
  try {
    await makeDirectory(target, owner);
    for (let next = await readHeader(reader); next; next = await readHeader(reader)) {
      if ('directory' in next) {
        directories.push(inside(target, next.directory));
        await makeDirectory(directories.at(-1)!, owner);
      } else await writeOne(reader, inside(target, next.file), next.bytes, owner, onBytes);
    }
  } finally {
    await reader.end();
  }
  for (const directory of directories.reverse()) await syncDirectory(directory);
}

async function readHeader(reader: ByteReader): Promise<z.infer<typeof header> | null> {
  const length = await reader.read(LENGTH_BYTES);
  if (length.length === 0) return null;
  if (length.length < LENGTH_BYTES) throw new Error('BUG: a packed tree ends within a header');
  return header.parse(JSON.parse((await reader.read(length.readUInt32BE())).toString()));
}

function inside(target: string, path: string): string {
  if (path.startsWith('/') || path.split('/').includes('..')) throw new Error(`BUG: "${path}" leads out of a base`);
  return join(target, path);
}

async function makeDirectory(path: string, owner: Ownership | null): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (owner) await chown(path, owner.uid, owner.gid);
}

async function writeOne(
  reader: ByteReader,
  path: string,
  bytes: number,
  owner: Ownership | null,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    if (owner) await file.chown(owner.uid, owner.gid);
    for (let left = bytes; left > 0; ) {
      const piece = await reader.read(Math.min(READ_BYTES, left));
      if (piece.length === 0) throw new Error('BUG: a packed tree ends within a file');
      await file.writeFile(piece);
      left -= piece.length;
      onBytes(piece.length);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
