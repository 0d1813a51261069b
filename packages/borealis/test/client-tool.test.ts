import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, findClientTools } from '@borealis/postgres';
import { describe, expect, it } from 'vitest';
import { runClientTool } from '../src/client-tool.js';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const borealis = (...args: string[]) => spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
const tools = await findClientTools('13', cacheDirectory());

describe('borealis tool', () => {
  it.skipIf(!tools)('runs a client program with its arguments and its status (needs pg_dump 13 or newer)', () => {
    expect(borealis('tool', 'pg_dump', '--postgres', '13', '--', '--version')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(`pg_dump (PostgreSQL) ${tools?.version}`),
    });
    const refused = borealis('tool', 'psql', '--postgres', '13', '--', '--no-such-option');
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('no-such-option') });
  });

  it.each([
    [[], /^Say which program: borealis tool pg_dump\|pg_restore\|psql /],
    [['initdb'], /^Say which program/],
    [['psql', '--postgres', 'new'], /^"new" is no major version/],
    [['psql', '--postgres', '99'], /^pg_dump, pg_restore and psql of PostgreSQL 99 or newer are needed/],
  ])('refuses %j in one sentence', async (args, sentence) => {
    await expect(runClientTool(args)).rejects.toThrow(sentence);
  });
});
