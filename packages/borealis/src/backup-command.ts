import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createEngineClient, keeperSocket } from '@borealis/engine-local';
import type { Config } from './config.js';
import { Failure } from './failure.js';
import type { OperatorBackup, OperatorClient } from './operator-client.js';

const USAGE = 'borealis backup list [ADDON] [--json] | run ADDON | prove ADDON [BACKUP] | fetch ADDON [BACKUP]';

/** Shows backups, makes one now, proves one again, or writes one to standard output. Returns the exit status. */
export async function backupCommand(config: Config, service: OperatorClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [action, addon, name, ...rest] = positionals;
  if (rest.length > 0) throw new Failure(`Say what to do: ${USAGE}`);
  if (action === 'list' && !name) return list(await service.backups(), addon, values.json);
  if (!addon) throw new Failure(`Say what to do, and with which add-on: ${USAGE}`);
  if (action === 'run' && !name) {
    const made = await service.backUp(addon);
    process.stdout.write(
      `The backup ${made} of ${addon} is being made and proven; "borealis backup list ${addon}" tells how far it is.\n`,
    );
    return 0;
  }
  if (action !== 'prove' && action !== 'fetch') throw new Failure(`Say what to do: ${USAGE}`);
  const backup = chosen(await service.backups(), addon, name);
  if (action === 'fetch') return fetchTo(config, backup);
  await service.proveBackup(backup.addonId, backup.name);
  process.stdout.write(`The backup ${backup.name} of ${addon} is being restored and compared.\n`);
  return 0;
}

const isOf = (addon: string) => (backup: OperatorBackup) => backup.addonName === addon || backup.addonId === addon;

function list(all: OperatorBackup[], addon: string | undefined, json: boolean): number {
  const found = addon === undefined ? all : all.filter(isOf(addon));
  process.stdout.write(
    json ? `${JSON.stringify(found, null, 2)}\n` : found.map((backup) => `${describe(backup)}\n`).join(''),
  );
  return 0;
}

function describe({ addonName, name, state, takenAt, bytes, seconds, proof, error }: OperatorBackup): string {
  const made = takenAt === null ? 'not made yet' : `${bytes} bytes, made in ${seconds} s`;
  const proven =
    proof === null
      ? ''
      : proof.failure === null
        ? `, restored and compared at ${proof.at} in ${proof.seconds} s: ${proof.checked.tables} tables, ${proof.checked.rows} rows, ${proof.checked.indexes} indexes`
        : `, NOT GOOD: ${proof.failure}`;
  return `${addonName}  ${name}  ${state}  ${made}${proven}${error === null ? '' : `; ${error} It is tried again.`}`;
}

/** That of the name, or the newest that was made; throws a `Failure` when there is none. */
function chosen(all: OperatorBackup[], addon: string, name: string | undefined): OperatorBackup {
  const made = all.filter(isOf(addon)).filter(({ takenAt }) => takenAt !== null);
  const found = name === undefined ? made[0] : made.find((backup) => backup.name === name);
  if (found) return found;
  throw new Failure(
    name === undefined ? `There is no backup of "${addon}".` : `There is no backup "${name}" of "${addon}".`,
  );
}

async function fetchTo({ home }: Config, { clusterId, database, name }: OperatorBackup): Promise<number> {
  if (process.stdout.isTTY)
    throw new Failure('A backup is nothing for a terminal: write it to a file, or pipe it into pg_restore.');
  const content = await createEngineClient(keeperSocket(home)).readBackup(clusterId, database, name);
  await pipeline(content, process.stdout).catch((cause: unknown) => {
    throw new Failure('The backup broke off: what was written of it is not to be used.', { cause });
  });
  return 0;
}
