import { parseArgs } from 'node:util';
import { SERVICE_SLUG, SMALLEST_ISOLATED_PLAN } from '@borealis/contract';
import { type ListedBackup, listBackups, openStore } from '@borealis/engine-local';
import type { Config } from './config.js';
import { Failure } from './failure.js';
import type { OperatorClient } from './operator-client.js';
import type { PlatformClient } from './platform-client.js';
import { readMasterKey, storeKey } from './secrets.js';

/** The running installation that an import goes to. */
interface Running {
  platform(): Promise<PlatformClient>;
  operator(): Promise<OperatorClient>;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** `borealis import-backup`: makes a new add-on from what an object store has, or lists what it has. */
export async function importBackup(config: Config, args: string[], running: Running): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      app: { type: 'string', short: 'a' },
      plan: { type: 'string', default: SMALLEST_ISOLATED_PLAN },
      as: { type: 'string' },
      'restore-to-time': { type: 'string' },
    },
  });
  if (!config.store) throw new Failure('Say where the backups are: set BOREALIS_STORE.');
  if (values.list) return list(config, config.store, values.json);
  const [backup, ...rest] = positionals;
  const { app, plan } = values;
  if (!backup || !app || rest.length > 0)
    throw new Failure(
      'Say which backup and for which app: borealis import-backup BACKUP --app APP. "borealis import-backup --list" shows the backups.',
    );
  const token = await (await running.operator()).importToken(backup);
  const addon = await (await running.platform()).request<{ name: string }>('POST', `/apps/${app}/addons`, {
    plan: { name: `${SERVICE_SLUG}:${plan}` },
    attachment: values.as ? { name: values.as } : {},
    config: {
      'restore-token': token,
      ...(values['restore-to-time'] ? { 'restore-to-time': values['restore-to-time'] } : {}),
    },
  });
  say(
    `${addon.name} is being made from the backup ${backup}. "heroku addons:wait ${addon.name}" waits until it is ready.`,
  );
  return 0;
}

async function list(config: Config, location: string, json: boolean): Promise<number> {
  const key = storeKey(await readMasterKey(config.home, config.masterKey));
  const backups = await listBackups(openStore(location), key);
  if (json) say(JSON.stringify(backups, null, 2));
  else if (backups.length === 0) say(`There is no backup in ${location}.`);
  else for (const backup of backups) say(describeBackup(backup));
  return backups.some((backup) => 'problem' in backup) ? 1 : 0;
}

function describeBackup(backup: ListedBackup): string {
  if ('problem' in backup) return `${backup.name}  cannot be used: ${backup.problem}`;
  if ('database' in backup) return `${backup.name}  ${describeDumps(backup.database)}`;
  const { major, databases, bytes, window } = backup.cluster;
  const names = databases.map(({ name }) => name).join(', ') || 'none';
  const span = window.earliest ? `from ${window.earliest} to ${window.latest}` : 'nothing complete yet';
  return `${backup.name}  PostgreSQL ${major}, database ${names}, ${Math.ceil(bytes / 1_000_000)} MB, ${span}`;
}

type StoredDumps = Extract<ListedBackup, { database: unknown }>['database'];

/** A line for the database, and one for each night. */
function describeDumps({ major, database, dumps }: StoredDumps): string {
  const nights = dumps.map(
    ({ name, takenAt, rows, proof }) =>
      `  ${name}  of ${takenAt}, ${rows} rows, ${proof === null ? 'not compared yet' : (proof.failure ?? 'restored and compared')}`,
  );
  const what = nights.length === 0 ? 'nothing complete yet' : `${nights.length} backups of moments:`;
  return [`PostgreSQL ${major}, database ${database}, ${what}`, ...nights].join('\n');
}
