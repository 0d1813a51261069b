import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { mountable } from '../../../test/support/mountable.js';
import { Spool } from '../src/spool.js';

test.skipIf(!mountable())('a full disk costs the events of that time and no others (needs root and mount)', () => {
  const disk = mkdtempSync(join(tmpdir(), 'bsp-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
  try {
    let lost = 0;
    const spool = new Spool(disk, pino({ level: 'silent' }), () => void lost++);
    const ban = (address: string) => spool.append({ type: 'ban-started', address, failures: 10 });
    ban('192.0.2.1');
    spool.close();
    expect(() => writeFileSync(join(disk, 'ballast'), Buffer.alloc(1 << 20))).toThrow('ENOSPC');
    for (let i = 0; i < 300; i++) ban('192.0.2.2');
    rmSync(join(disk, 'ballast'));
    ban('192.0.2.3');
    spool.close();
    const segments = readdirSync(join(disk, 'events')).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    const lines = segments.map((name) => JSON.parse(readFileSync(join(disk, 'events', name), 'utf8')));
    expect(lines.map(({ address, seq }) => [address, seq])).toEqual([
      ['192.0.2.1', 0],
      ['192.0.2.3', 0],
    ]);
    expect(lost).toBe(300);
  } finally {
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  }
});
