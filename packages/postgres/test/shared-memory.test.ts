import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { temporaryServer } from '../src/testing.js';

test.skipIf(process.platform !== 'linux')(
  'nothing is in the machine’s shared memory, where a killed server would leave it',
  async () => {
    const server = await temporaryServer('16');
    const maps = readFileSync(`/proc/${server.identity.pid}/maps`, 'utf8');
    await server.remove();
    expect(maps).toContain('pg_dynshmem');
    expect(maps).not.toContain('/dev/shm/PostgreSQL');
  },
);
