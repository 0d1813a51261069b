#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { backupCommand } from './backup-command.js';
import { runClientTool } from './client-tool.js';
import { ConfigError, readConfig } from './config.js';
import { doctor } from './doctor.js';
import { drill } from './drill.js';
import { runDyno } from './dyno.js';
import { readEnvironment } from './env-file.js';
import { explain, Failure } from './failure.js';
import { findChange } from './find-change.js';
import { importBackup } from './import-backup.js';
import { PROJECT } from './local-settings.js';
import { formatMails, receivedMails } from './mail.js';
import { maintenanceWindowCommand } from './maintenance-window.js';
import { OperatorClient } from './operator-client.js';
import { PlatformClient } from './platform-client.js';
import { poolCommand } from './pool-command.js';
import { releasesCommand } from './releases-command.js';
import { ensureCredentials } from './secrets.js';
import { up } from './up.js';
import { upgradeGatewayCommand } from './upgrade-gateway.js';
import { upgradeMajor } from './upgrade-major.js';
import { upgradeMinor } from './upgrade-minor.js';
import { upgradeRevert } from './upgrade-revert.js';

const HELP = `borealis: run Borealis Isolated Postgres on this machine

Usage
  borealis up [--once]                 start everything and stay; --once: take the tour, stop, and tell by the exit status
  borealis dyno -a APP -- CMD…         run a command the way a dyno of that app would
  borealis rotate ADDON                renew the passwords and the key of the add-on's app now, with no downtime
  borealis upgrade-gateway ADDON | --all [--json]
                                       let a new process take over from the gateway; open tunnels go on in the old one, a day at most
  borealis find-change ADDON [--table T] [--kind KIND]… [--since WHEN] [--json]
                                       name the transactions that deleted rows of tables, emptied or dropped them, each with the
                                       moment to restore to; KIND: delete, truncate, drop or update; WHEN: a time with a zone, or 2h
  borealis upgrade-minor ADDON [--to V] [--wait 10m] [--force] [--json]
                                       put another minor release of PostgreSQL in place, newer or older, tried on a copy of the data first;
                                       queries wait for a moment, sessions live on; transactions still open after --wait are closed;
                                       --force: without the trial
  borealis releases [--json]           show which minor releases of PostgreSQL there are, run, and are planned, and which are refused, and why
  borealis releases allow VERSION      forget why that one is refused: it is tried again where it is due
  borealis maintenance-window ADDON [--hour H [--day D] | --usual] [--json]
                                       show or choose when new minor releases come to the add-on, in UTC; D: monday to sunday, or any
  borealis upgrade-major ADDON | --all-shared --to N [--in 7d] [--cancel] [--json]
                                       announce a major version of PostgreSQL to everybody in a cluster that add-ons share, named by one of
                                       them; it begins by itself; --cancel takes that back, or gives it up
  borealis upgrade-revert ADDON [--wait 10m] [--json]
                                       go back to the major version from before the last upgrade, with what was written since
  borealis drill failover ADDON [--planned] [--json]
                                       kill the add-on's primary server and see a standby take over; --planned: let sessions rest
                                       meanwhile instead
  borealis mail [--json]               show the e-mails that the local platform received, newest first
  borealis tool PROGRAM [--postgres MAJOR] -- ARGS…
                                       run pg_dump, pg_restore or psql, new enough for that major; fetched where apt can
  borealis backup list [ADDON] [--json]
                                       what backups there are, and what proving them has found
  borealis backup run ADDON            make and prove one now
  borealis backup prove ADDON [BACKUP] restore one into a server that is thrown away, and compare it
  borealis backup fetch ADDON [BACKUP] write one to standard output, for pg_restore; the newest when none is named
  borealis import-backup --list [--json]
                                       show what the object store (BOREALIS_STORE) has
  borealis import-backup BACKUP -a APP [--plan P] [--restore-to-time T] [--as NAME]
                                       make a new add-on from the store alone, on any machine with the old master key
  borealis pool init [--size 20G] [--path DIR] [--key-file F | --key-command C | --unencrypted]
                                       make an encrypted pool for the data of a new home (root on Linux)
  borealis pool status [--json]        what the pool is, what encrypts it, how much room it has
  borealis pool grow --size N          make it larger while everything runs
  borealis pool rekey (--key-file F | --key-command C)
                                       make another key the one that opens it, while it is not mounted
  borealis doctor [--json]             look at this machine and say what is fine, what is missing and what it means
  borealis help                        this text

Examples
  borealis up
  borealis dyno -a my-app -- sh -c 'psql "$DATABASE_URL" -c "select version()"'
  borealis rotate borealis-pg-cubic-12345
  borealis find-change borealis-pg-cubic-12345 --table orders --kind delete --since 3h
  borealis upgrade-minor borealis-pg-cubic-12345 --to 16.14
  borealis tool pg_dump --postgres 18 -- --format custom --file my.dump "$DATABASE_URL"
  borealis backup fetch borealis-pg-cubic-12345 > my.dump
  borealis doctor --json

Settings are environment variables: docs/reference/config.md lists them.
`;

async function runUp(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { once: { type: 'boolean', default: false }, guided: { type: 'boolean', default: false } },
  });
  return up({ config: readConfig(process.env, PROJECT), once: values.once, guided: values.guided });
}

async function runningPlatform(): Promise<PlatformClient> {
  const config = readConfig(process.env, PROJECT);
  const environment =
    process.env.PLATFORM_URL && process.env.HEROKU_API_KEY ? process.env : await readEnvironment(config.home);
  if (!environment) throw new Failure(`Borealis is not running on ${config.home}: start it with "npm start".`);
  return new PlatformClient(environment.PLATFORM_URL!, environment.HEROKU_API_KEY!);
}

async function runDynoCommand(args: string[]): Promise<number> {
  const split = args.indexOf('--');
  const { values } = parseArgs({
    args: split < 0 ? args : args.slice(0, split),
    options: { app: { type: 'string', short: 'a' }, slug: { type: 'string' } },
  });
  const command = split < 0 ? [] : args.slice(split + 1);
  if (!values.app || command.length === 0)
    throw new Failure('Say which app and which command: borealis dyno -a APP -- CMD…');
  const result = await runDyno(await runningPlatform(), {
    app: values.app,
    command,
    output: 'inherit',
    ...(values.slug ? { slug: values.slug } : {}),
  });
  return result.status;
}

async function runMail(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  const mails = await receivedMails(await runningPlatform());
  process.stdout.write(values.json ? `${JSON.stringify(mails, null, 2)}\n` : formatMails(mails));
  return 0;
}

async function runDoctor(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  return doctor(readConfig(process.env, PROJECT), values.json);
}

async function runRotate(args: string[]): Promise<number> {
  const { positionals } = parseArgs({ args, options: {}, allowPositionals: true });
  const [addon, ...rest] = positionals;
  if (!addon || rest.length > 0) throw new Failure('Say which add-on, by its name or id: borealis rotate ADDON');
  await (await runningService()).rotate(addon);
  process.stdout.write(
    `The credentials of ${addon} are being renewed. Its config vars are set at once; the former ones work for at least 25 hours.\n`,
  );
  return 0;
}

/** The operator surface of the installation in this home; a `Failure` when it does not run. */
async function runningService(): Promise<OperatorClient> {
  const { home } = readConfig(process.env, PROJECT);
  const url = (await readEnvironment(home))?.ADDON_API_URL;
  if (!url) throw new Failure(`Borealis is not running on ${home}: start it with "npm start".`);
  return new OperatorClient(url, (await ensureCredentials(home)).operatorToken);
}

const commands: Record<string, (args: string[]) => Promise<number>> = {
  up: runUp,
  dyno: runDynoCommand,
  rotate: runRotate,
  'upgrade-minor': async (args) => upgradeMinor(runningService, args),
  releases: async (args) => releasesCommand(await runningService(), args),
  'maintenance-window': async (args) => maintenanceWindowCommand(runningService, args),
  'upgrade-major': async (args) => upgradeMajor(runningService, args),
  'upgrade-revert': async (args) => upgradeRevert(runningService, args),
  'upgrade-gateway': async (args) => upgradeGatewayCommand(await runningService(), args),
  'find-change': async (args) => findChange(runningService, args),
  drill: async (args) => drill(runningService, args),
  mail: runMail,
  tool: runClientTool,
  backup: async (args) => backupCommand(readConfig(process.env, PROJECT), await runningService(), args),
  pool: (args) => poolCommand(readConfig(process.env, PROJECT), args),
  'import-backup': (args) =>
    importBackup(readConfig(process.env, PROJECT), args, { platform: runningPlatform, operator: runningService }),
  doctor: runDoctor,
  help: async () => {
    process.stdout.write(HELP);
    return 0;
  },
};

async function main([name = 'help', ...args]: string[]): Promise<number> {
  const command = commands[name === '--help' || name === '-h' ? 'help' : name];
  if (!command) throw new Failure(`There is no command "${name}"; there are ${Object.keys(commands).join(', ')}.`);
  return command(args);
}

/** Errors of `parseArgs` are sentences already. */
function sentenceOf(error: unknown): string | null {
  if (error instanceof ConfigError) return error.message;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS'))
    return `${(error as Error).message} See "borealis help".`;
  return explain(error);
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error) => {
    const sentence = sentenceOf(error);
    process.stderr.write(`${sentence ?? (error as Error)?.stack ?? error}\n`);
    process.exit(1);
  },
);
