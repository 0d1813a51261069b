import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeSshKeyPair, parseConnInfo } from '@borealis/contract';
import { keeperSocket, requestControlDatabase } from '@borealis/engine-local';
import pg from 'pg';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation } from '../support/installation.js';
import { kill9, processes } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { query } from '../support/sql.js';
import { appTunnelUser, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

let installation: Installation;
let addon: { id: string; name: string };
/** Everything secret that this run has come to know, by what it is. */
const secrets = new Map<string, string>();

beforeAll(async () => {
  installation = await Installation.start();
  addon = await installation.createAddon('shop');
});

afterAll(() => installation?.stop());

/** A line out of the middle: the first and last ones of all keys are alike. */
const heartOf = (key: string) => key.split('\n').filter((line) => !line.startsWith('-----'))[2]!;

function learn(what: string, value: string): void {
  expect(value.length, what).toBeGreaterThan(15);
  secrets.set(what, value);
}

async function learnConfig(which: string): Promise<Record<string, string>> {
  const config = await installation.config('shop');
  const info = parseConnInfo(config.DATABASE_TUNNEL_BPG_CONN_INFO!);
  learn(`the ${which} writer's password`, info.POSTGRES_WRITER_PASSWORD!);
  learn(`the ${which} reader's password`, info.POSTGRES_READER_PASSWORD!);
  learn(`the ${which} app's key`, heartOf(info.SSH_USER_PRIVATE_KEY!.replaceAll('\\n', '\n')));
  learn(`the ${which} app's token`, info.CLIENT_APP_JWT!);
  return config;
}

async function learnPersonal(): Promise<void> {
  const path = `/heroku/resources/${addon.name}`;
  const ssh = await installation.addonApi<Record<string, string>>('POST', `${path}/personal-ssh-users`);
  const db = await installation.addonApi<Record<string, string>>('POST', `${path}/personal-db-users`, {
    enableWriteAccess: true,
  });
  learn('the personal key', heartOf(ssh.sshPrivateKey!));
  learn('the personal password', db.dbPassword!);
}

async function learnIntegration(): Promise<void> {
  const { publicKey } = makeSshKeyPair();
  const made = await installation.addonApi<Record<string, string>>(
    'POST',
    `/heroku/resources/${addon.name}/data-integrations`,
    { integrationName: 'etl', sshPublicKey: publicKey, enableWriteAccess: false },
  );
  learn("the integration's password", made.dbPassword!);
}

function learnInstallation(): void {
  const credentials = JSON.parse(readFileSync(join(installation.home, 'credentials.json'), 'utf8')) as object;
  for (const [name, value] of Object.entries(credentials)) learn(`the installation's ${name}`, value as string);
  learn('the master key', readFileSync(join(installation.home, 'master.key'), 'utf8').trim());
}

/** Wrong passwords, a crash, an unreachable keeper: what is said of trouble is where secrets slip out. */
async function makeTrouble(config: Record<string, string>): Promise<void> {
  const tunnel = await openTunnel(appTunnelUser(config), writerOf(config));
  const url = throughPort(config.DATABASE_URL!, tunnel.localPort);
  const ca = installation.environment.BOREALIS_CA_FILE!;
  await query(url, ca, 'select 1');
  await query(url, ca, 'select nonsense').catch(() => {});
  const wrong = new URL(url);
  wrong.password = `${wrong.password}x`;
  await query(wrong.toString(), ca, 'select 1').catch(() => {});
  await tunnel.close();
  for (const name of ['keeper', 'service'] as const) {
    kill9(installation.pid(name));
    await installation.addonApi('GET', `/heroku/resources/${addon.name}`).catch(() => {});
  }
  await until('the service to be back', () =>
    installation.addonApi<{ status: string }>('GET', `/heroku/resources/${addon.name}`),
  );
}

const SEARCH = `
  select format('select %L as place, count(*)::int as found from %I.%I t where t::text like any ($1)',
    table_schema || '.' || table_name, table_schema, table_name) as statement
  from information_schema.tables where table_schema in ('public', 'strands') and table_type = 'BASE TABLE'`;

/** Tables of the control database in which one of the texts stands; bytes are searched as they are, and in hexadecimal. */
async function tablesWith(texts: readonly string[]): Promise<string[]> {
  const database = await requestControlDatabase(keeperSocket(installation.home));
  const client = new pg.Client({ ...database, password: database.password.reveal() });
  await client.connect();
  const patterns = texts.flatMap((text) => [`%${text}%`, `%${Buffer.from(text).toString('hex')}%`]);
  const found: string[] = [];
  for (const { statement } of (await client.query<{ statement: string }>(SEARCH)).rows) {
    const [row] = (await client.query(statement, [patterns])).rows;
    if (row.found > 0) found.push(row.place);
  }
  await client.end();
  return found;
}

function files(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** Nothing where the file is gone by now: the installation goes on while it is searched. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return '';
  }
}

scenario(
  'no secret stands in a log, an event, a command line or a column, and none in a file that others can read',
  async () => {
    learnInstallation();
    const config = await learnConfig('first');
    await learnPersonal();
    await learnIntegration();
    await makeTrouble(config);
    await installation.addonApi('DELETE', `/heroku/resources/${addon.name}/db-users/credentials`);
    await learnConfig('second');
    const known = [...secrets.values()];
    const holds = (text: string) => [...secrets].filter(([, value]) => text.includes(value)).map(([what]) => what);

    expect(await tablesWith(known)).toEqual([]);
    // The search itself finds what is there.
    expect(await tablesWith([addon.name])).toContain('public.addon');
    for (const { command } of processes()) expect(holds(command), command.slice(0, 80)).toEqual([]);
    const lines = await until('the app’s log to tell of the reset', async () => {
      const log = await installation.log('shop');
      return log.includes('db-credentials-full-reset') ? log : null;
    });
    expect(holds(lines)).toEqual([]);
    expect(holds(installation.output)).toEqual([]);
    // The platform's own store stands for Heroku's, where config vars are kept as they are.
    const store = join(installation.home, 'platform');
    const all = files(installation.home).filter((path) => !path.startsWith(store));
    const logs = all.filter((path) => /\.(log|jsonl)$|\/events\//.test(path));
    expect(logs.some((path) => path.endsWith('keeper.log'))).toBe(true);
    for (const path of logs) expect(holds(contentOf(path)), path).toEqual([]);
    for (const path of all.filter((file) => (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o044))
      expect(holds(contentOf(path)), path).toEqual([]);
  },
);
