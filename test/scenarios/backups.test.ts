import { spawnSync } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupReceipt } from '@borealis/contract';
import { cacheDirectory, ensureClientTools } from '@borealis/postgres';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { CLI, Installation } from '../support/installation.js';
import { scenario } from '../support/scenario.js';
import { until } from '../support/until.js';

const isFull = process.env.BOREALIS_TEST === 'full';
const hasTools =
  isFull &&
  (await ensureClientTools({ major: '16', cacheDir: cacheDirectory() }).then(
    () => true,
    () => false,
  ));
const tools = { needs: 'pg_dump 16', installed: () => hasTools };

let installation: Installation;

beforeAll(async () => {
  if (!hasTools) return;
  installation = await Installation.start();
}, 300_000);
afterAll(() => installation?.stop());

function backup(...args: string[]) {
  const env = { ...process.env, BOREALIS_HOME: installation.home };
  return spawnSync(process.execPath, [CLI, 'backup', ...args], { env, maxBuffer: 64 * 1024 * 1024 });
}

const listed = (addon: string) =>
  JSON.parse(backup('list', addon, '--json').stdout.toString()) as (BackupReceipt & {
    clusterId: string;
    database: string;
  })[];

/** The only backup of the add-on, once it is in that state. */
async function reached(addon: string, state: string) {
  await until(`the backup of ${addon} to be ${state}`, async () => listed(addon)[0]?.state === state, 180);
  return listed(addon)[0]!;
}

async function flipBit(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const at = Math.floor((await stat(path)).size / 2);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0]! ^= 1;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}

scenario.fullWithTools(
  'borealis backup makes, proves and fetches a backup of a cluster of its own, and an alarm comes once its file is damaged',
  tools,
  () => backsUp('safe', 'borealis-pg:x1-s10-p1-r1'),
);

scenario.fullWithTools('borealis backup does the same for a tenant of a shared cluster', tools, () =>
  backsUp('safe-dev', 'borealis-pg:dev'),
);

async function backsUp(app: string, plan: string): Promise<void> {
  const { name } = await installation.createAddon(app, {}, plan);
  const run = backup('run', name);
  expect(run.status, run.stderr.toString()).toBe(0);
  const made = await reached(name, 'proven');
  expect(made.proof).toMatchObject({ failure: null });
  const capabilities = await installation.addonApi<{ latestBackup: BackupReceipt }>(
    'GET',
    `/heroku/resources/${name}/restore-capabilities`,
  );
  expect(capabilities.latestBackup).toMatchObject({ name: made.name, state: 'proven', proof: made.proof });
  await until('the event of the proof', async () =>
    /event=db-backup-completed backup=/.test(await appLog(installation, app)),
  );
  const fetched = backup('fetch', name, made.name);
  expect([fetched.status, fetched.stdout.subarray(0, 5).toString()]).toEqual([0, 'PGDMP']);

  const { clusterId, database } = made;
  const file = join(installation.home, 'clusters', clusterId, 'backups', database, `${made.name}.dump.sealed`);
  await flipBit(file);
  expect(backup('prove', name, made.name).status).toBe(0);
  const bad = await reached(name, 'failed');
  expect(bad.proof?.failure).toBe('Its file is not what was sealed (damaged).');
  await until('the alarm', async () => /event=db-backup-failed backup=/.test(await appLog(installation, app)));
  expect(backup('fetch', name, made.name).status).toBe(1);
  expect(backup('list', name).stdout.toString()).toContain('NOT GOOD: Its file is not what was sealed');
}
