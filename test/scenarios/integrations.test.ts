import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataIntegrations, IntegrationRegistered } from '@borealis/contract';
import { PublishedPlugin, type RecordedAnswer } from '@borealis/plugin/testing';
import { afterAll, beforeAll, expect } from 'vitest';
import { appLog } from '../support/app-log.js';
import { Installation } from '../support/installation.js';
import { kill9 } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { connectThrough, query } from '../support/sql.js';
import { appTunnelUser, openTunnel, SshFiles, type TunnelUser, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

let installation: Installation;
let addon: { id: string; name: string };
let keys: string;

beforeAll(async () => {
  keys = mkdtempSync(join(tmpdir(), 'key-'));
  installation = await Installation.start();
  addon = await installation.createAddon('warehouse');
});

afterAll(async () => {
  rmSync(keys, { recursive: true, force: true });
  await installation.stop();
});

const ca = () => installation.environment.BOREALIS_CA_FILE!;

const plugin = () =>
  new PublishedPlugin({
    baseUrl: installation.environment.BOREALIS_PG_API_BASE_URL!,
    token: installation.environment.HEROKU_API_KEY!,
    addonName: addon.name,
  });

interface KeyPair {
  publicKey: string;
  privateKey: string;
}

/** A key pair as a data service makes it. */
function keyPair(name: string, ...args: string[]): KeyPair {
  const file = join(keys, name);
  const made = spawnSync('ssh-keygen', ['-q', '-N', '', '-C', 'etl service', '-f', file, ...args], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stderr);
  return { publicKey: readFileSync(`${file}.pub`, 'utf8'), privateKey: readFileSync(file, 'utf8') };
}

async function register(name: string, key: KeyPair, writeAccess = false) {
  const answer = await plugin().registerIntegration(name, key.publicKey.trim(), writeAccess);
  expect(answer.status, answer.text).toBe(201);
  const made = answer.json as IntegrationRegistered;
  const user: TunnelUser = {
    host: made.sshHost,
    port: made.sshPort,
    hostKey: made.publicSshHostKey,
    username: made.sshUsername,
    privateKey: key.privateKey,
  };
  return { made, user, target: { host: made.dbHost, port: made.dbPort } };
}

const urlOf = ({ dbUsername, dbPassword, dbName }: IntegrationRegistered, port: number) =>
  `postgres://${dbUsername}:${dbPassword}@127.0.0.1:${port}/${dbName}`;

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing was refused',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );

scenario('stock ssh -N -L with the printed values works with RSA, ECDSA and Ed25519 keys, and reads only', async () => {
  const types = [
    ['rsa', '-t', 'rsa', '-b', '2048'],
    ['ecdsa', '-t', 'ecdsa', '-b', '384'],
    ['ed25519', '-t', 'ed25519'],
  ] as const;
  for (const [name, ...args] of types) {
    const { made, user, target } = await register(`etl_${name}`, keyPair(name, ...args));
    expect(made.dbUsername).toBe(`di_ro_etl_${name}`);
    const tunnel = await openTunnel(user, target);
    const url = urlOf(made, tunnel.localPort);
    expect(await query(url, ca(), 'select current_user as me')).toEqual([{ me: made.dbUsername }]);
    expect(await refusal(query(url, ca(), 'create table forbidden (id int)'))).toMatch(/25006|42501/);
    expect(await refusal(query(`${url}_other`, ca(), 'select 1'))).toBe('28P01');
    await tunnel.close();
  }
});

scenario('an integration’s tunnel leads to its own role only, and its key opens nothing else', async () => {
  const key = keyPair('own', '-t', 'ed25519');
  const { user, target } = await register('own', key);
  const app = await installation.config('warehouse');
  const tunnel = await openTunnel(user, target);
  const asApp = throughPort(app.DATABASE_URL!, tunnel.localPort);
  expect(await refusal(query(asApp, ca(), 'select 1'))).toBe('28P01');
  await tunnel.close();
  await expect(openTunnel({ ...appTunnelUser(app), privateKey: key.privateKey }, target)).rejects.toThrow(/denied/i);
  const files = new SshFiles(user);
  const shell = spawnSync('ssh', [...files.args, 'id'], { encoding: 'utf8' });
  files.remove();
  expect(shell.status).not.toBe(0);
  expect(shell.stdout).toBe('');
});

scenario(
  'what a writing integration makes is the app’s to use at once, and the app’s own after the removal',
  async () => {
    const { made, user, target } = await register('loader', keyPair('loader', '-t', 'ed25519'), true);
    expect(made.dbUsername).toBe('di_rw_loader');
    expect(made.dbHost).toMatch(/^primary\./);
    const tunnel = await openTunnel(user, target);
    const client = await connectThrough(urlOf(made, tunnel.localPort), ca());
    await client.query('create table loaded (id int)');
    const config = await installation.config('warehouse');
    const own = await openTunnel(appTunnelUser(config), target);
    const asApp = <T extends object>(sql: string) =>
      query<T>(throughPort(config.DATABASE_URL!, own.localPort), ca(), sql);
    await asApp('insert into loaded values (1)');

    const exit = new Promise((done) => tunnel.ssh.once('close', done));
    const lost = new Promise((done) => client.once('end', done));
    expect((await plugin().removeIntegration('loader')).json).toEqual({ success: true });
    await Promise.all([exit, lost]);
    await expect(openTunnel(user, target)).rejects.toThrow(/denied/i);
    expect(await asApp(`select rolname from pg_roles where rolname like 'di\\_rw\\_%'`)).toEqual([]);
    const [table] = await asApp<{ owner: string; me: string }>(
      `select tableowner as owner, current_user as me from pg_tables where tablename = 'loaded'`,
    );
    expect(table!.owner).toBe(table!.me);
    expect(await asApp('select id from loaded')).toEqual([{ id: 1 }]);
    await asApp('alter table loaded add column at timestamptz');
    await own.close();
    await tunnel.close();
  },
);

scenario('what integrations do stands in the log of the app', async () => {
  const { user, target } = await register('logged', keyPair('logged', '-t', 'ed25519'));
  await (await openTunnel(user, target)).close();
  expect((await plugin().removeIntegration('logged')).status).toBe(200);
  const expected = [
    /event=data-integration-registered integration=logged write_access=false user=\S+@/,
    /event=data-integration-secure-tunnel-created client_address=\S+ integration=logged/,
    /event=data-integration-secure-tunnel-destroyed client_address=\S+ integration=logged/,
    /event=data-integration-deregistered integration=logged user=\S+@/,
  ];
  await until('its events', async () => {
    const log = await appLog(installation, 'warehouse');
    return expected.every((event) => event.test(log));
  });
});

scenario('names, keys and numbers that are not allowed are refused as the published plugin expects it', async () => {
  const { publicKey } = keyPair('refused', '-t', 'ed25519');
  const weak = keyPair('weak', '-t', 'rsa', '-b', '1024').publicKey;
  const asked: [RecordedAnswer, number, RegExp][] = [
    [await plugin().registerIntegration('Not Allowed', publicKey, false), 400, /1 to 25 characters/],
    [await plugin().registerIntegration('weak', weak, false), 400, /RSA key of 1024 bits/],
    [await plugin().registerIntegration('own', publicKey, false), 409, /already registered/],
    [await plugin().removeIntegration('nothing'), 404, /no data integration/],
  ];
  for (const [{ status, json }, wanted, reason] of asked)
    expect([status, (json as { reason: string }).reason]).toEqual([wanted, expect.stringMatching(reason)]);
});

/** A distribution's own Python has its packages where another one that comes first may not. */
const python = ['/usr/bin/python3', 'python3'].find((one) => spawnSync(one, ['-c', 'import paramiko']).status === 0);
const PARAMIKO = join(import.meta.dirname, '../support/paramiko-tunnel.py');

const PYTHON_CLIENT = { needs: 'python3-paramiko', installed: () => python !== undefined };

scenario.withTools('paramiko, which most data services use, gets in with each type of key', PYTHON_CLIENT, async () => {
  const types = [
    ['prsa', '-t', 'rsa', '-b', '2048'],
    ['pecdsa', '-t', 'ecdsa', '-b', '256'],
    ['ped25519', '-t', 'ed25519'],
  ] as const;
  for (const [name, ...args] of types) {
    const { made, user, target } = await register(name, keyPair(name, ...args));
    const files = new SshFiles(user);
    const known = join(files.directory, 'known_hosts');
    const client = spawn(
      python!,
      [
        PARAMIKO,
        user.host,
        String(user.port),
        user.username,
        join(keys, name),
        known,
        target.host,
        String(target.port),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const output: string[] = [];
    client.stdout.on('data', (chunk) => output.push(String(chunk)));
    client.stderr.on('data', (chunk) => output.push(String(chunk)));
    const port = await until(`paramiko to listen`, () => /^(\d+)\n/.exec(output.join(''))?.[1]);
    expect(await query(urlOf(made, Number(port)), ca(), 'select current_user as me')).toEqual([
      { me: made.dbUsername },
    ]);
    client.kill('SIGKILL');
    files.remove();
  }
});

type Victim = 'service' | 'keeper';

/**
 * Kills a process so many milliseconds after a request was sent, and waits until it is back. Returns the answer; null when it was lost,
 * or said that the service cannot do it now.
 */
async function killedIn(victim: Victim, milliseconds: number, ask: () => Promise<RecordedAnswer>) {
  const pid = installation.pid(victim);
  const asked = ask().catch(() => null);
  await sleep(milliseconds);
  kill9(pid);
  const answer = await asked;
  const health = `${installation.environment.ADDON_API_URL}/health`;
  await until('both to be back', async () => installation.pid('keeper') && (await fetch(health)).ok);
  return answer && answer.status >= 500 ? null : answer;
}

/** Asks until the engine is back, too. */
const settled = (ask: () => Promise<RecordedAnswer>) =>
  until('an answer', async () => {
    const answer = await ask();
    return answer.status < 500 ? answer : null;
  });

async function integrationsUnderFire(victim: Victim): Promise<void> {
  const name = `killed_${victim}`;
  const { publicKey } = keyPair(name, '-t', 'ed25519');
  const register = () => plugin().registerIntegration(name, publicKey, true);
  const remove = () => plugin().removeIntegration(name);
  const config = await installation.config('warehouse');
  const own = await openTunnel(appTunnelUser(config), writerOf(config));
  const roles = () =>
    query<{ rolname: string }>(
      throughPort(config.DATABASE_URL!, own.localPort),
      ca(),
      `select rolname from pg_roles where rolname = 'di_rw_${name}'`,
    );
  // From before the request was read to after it was answered, however slow the machine is.
  for (const pause of [0, 40, 160, 640, 1280]) {
    const first = await killedIn(victim, pause, register);
    // Whoever was told is registered; whoever was not may ask again, unless all was done but the telling.
    expect(first?.status ?? 201).toBe(201);
    expect(first ? [409] : [201, 409]).toContain((await settled(register)).status);
    await until('its role to be there', async () => (await roles()).length === 1);
    const removal = await killedIn(victim, pause, remove);
    expect(removal?.status ?? 200).toBe(200);
    expect(removal ? [404] : [200, 404]).toContain((await settled(remove)).status);
    await until('its role to be gone', async () => (await roles()).length === 0);
  }
  const { integrations } = (await plugin().integrations()).json as DataIntegrations;
  expect(integrations.map((integration) => integration.name)).not.toContain(name);
  await own.close();
}

scenario.full('the service killed in the middle of registrations and removals leaves nothing half done', () =>
  integrationsUnderFire('service'),
);
scenario.full('the keeper killed in the middle of registrations and removals leaves nothing half done', () =>
  integrationsUnderFire('keeper'),
);
