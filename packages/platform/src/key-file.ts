import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The store's own key of 32 bytes, made on first use in a file of mode 0600. */
export function loadKey(directory: string): Buffer {
  const path = join(directory, 'key');
  if (!existsSync(path)) {
    const fd = openSync(`${path}.tmp`, 'w', 0o600);
    writeSync(fd, randomBytes(32).toString('hex'));
    fsyncSync(fd);
    closeSync(fd);
    renameSync(`${path}.tmp`, path);
  }
  const key = Buffer.from(readFileSync(path, 'utf8'), 'hex');
  if (key.length !== 32) throw new Error(`the key file ${path} must hold 32 bytes in hexadecimal`);
  return key;
}
