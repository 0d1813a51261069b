import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Installation } from '../support/installation.js';
import { Pauses } from '../support/pauses.js';
import { kill9 } from '../support/processes.js';
import { scenario } from '../support/scenario.js';
import { connectThrough, query } from '../support/sql.js';
import { appTunnelUser, type OpenTunnel, openTunnel, throughPort, writerOf } from '../support/tunnel.js';
import { until } from '../support/until.js';

const BOREALIS = join(import.meta.dirname, '../../packages/borealis/dist/cli.js');

let pauses: Pauses;
let installation: Installation;
let addon: { id: string; name: string };

beforeAll(async () => {
  if (process.env.BOREALIS_TEST !== 'full') return;
  pauses = new Pauses();
  // An overlap of a few seconds, so that its end can be seen.
  installation = await Installation.start({ env: { ...pauses.env, BOREALIS_ROTATION_OVERLAP_HOURS: '0.002-0.01' } });
  addon = await installation.createAddon('shop');
});

afterAll(async () => {
  await installation?.stop();
  pauses?.remove();
});

type Config = Record<string, string>;

const ca = () => installation.environment.BOREALIS_CA_FILE!;
const config = () => installation.config('shop');

const open = (from: Config): Promise<OpenTunnel> => openTunnel(appTunnelUser(from), writerOf(from));

/** A dyno that started with these config vars: its tunnel, and a new connection for every query. */
async function dyno(from: Config) {
  const tunnel = await open(from);
  const url = throughPort(from.DATABASE_URL!, tunnel.localPort);
  const ask = async () => (await query<{ one: number }>(url, ca(), 'select 1 as one'))[0]!.one;
  return { ask, url, close: () => tunnel.close() };
}

function rotate(): void {
  const result = spawnSync(process.execPath, [BOREALIS, 'rotate', addon.name], {
    encoding: 'utf8',
    env: { ...process.env, BOREALIS_HOME: installation.home },
  });
  expect(result.status, result.stderr).toBe(0);
  expect(result.stdout).toContain('are being renewed');
}

const changedFrom = (before: Config) =>
  until('new config vars', async () => {
    const now = await config();
    return now.DATABASE_URL !== before.DATABASE_URL ? now : null;
  });

/** True while a tunnel can be opened with the key and a session with the password of these config vars. */
async function letsIn(from: Config): Promise<boolean> {
  const client = await dyno(from).catch(() => null);
  if (!client) return false;
  return client
    .ask()
    .then(
      () => true,
      () => false,
    )
    .finally(() => client.close());
}

scenario.full(
  'a rotation with the service killed at every step: old and new dynos work through it, then the old end',
  async () => {
    const before = await config();
    const old = await dyno(before);
    const errors: unknown[] = [];
    let asking = true;
    let answers = 0;
    const loop = (async () => {
      while (asking) {
        await old.ask().then(
          () => answers++,
          (error) => errors.push(error),
        );
      }
    })();
    const stops = (['makeNextCredentials', 'announceCredentials'] as const).map((label) => pauses.at('after', label));
    rotate();
    for (const stop of stops) {
      await stop.reached();
      kill9(installation.pid('service'));
      stop.release();
    }
    const after = await changedFrom(before);
    expect(await letsIn(after)).toBe(true);
    expect(appTunnelUser(after).privateKey).not.toBe(appTunnelUser(before).privateKey);
    asking = false;
    await loop;
    expect(errors).toEqual([]);
    expect(answers).toBeGreaterThan(0);
    // The old dyno is gone: nobody uses the former credentials, and the overlap ends.
    await old.close();
    await until(
      'the former credentials to end',
      async () => {
        // Whatever is asked of the add-on lets it look for who still uses them, instead of at the end of the longest overlap.
        await installation.addonApi('POST', `/heroku/resources/${addon.name}/personal-ssh-users`);
        return !(await letsIn(before));
      },
      120,
    );
    expect(await letsIn(after)).toBe(true);
  },
);

scenario.full('a session that stays in by a former password is ended when the longest overlap is over', async () => {
  const before = await config();
  const tunnel = await open(before);
  const client = await connectThrough(throughPort(before.DATABASE_URL!, tunnel.localPort), ca());
  const ended = new Promise<boolean>((resolve) => client.once('end', () => resolve(true)));
  await until('a rotation to be possible', () => {
    rotate();
    return true;
  });
  await changedFrom(before);
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  expect(await ended).toBe(true);
  await tunnel.close();
  expect(await letsIn(await config())).toBe(true);
});

scenario.full(
  'users:reset with the service killed at every step ends every former credential and session at once',
  async () => {
    const before = await config();
    const tunnel = await open(before);
    const client = await connectThrough(throughPort(before.DATABASE_URL!, tunnel.localPort), ca());
    const ended = new Promise<boolean>((resolve) => client.once('end', () => resolve(true)));
    const path = `/heroku/resources/${addon.name}`;
    await until(
      'the rotation before to have ended',
      async () => (await installation.addonApi<{ status: string }>('GET', path)).status === 'available',
    );
    const labels = ['makeNextCredentials', 'announceCredentials', 'endFormerCredentials'] as const;
    const stops = labels.map((label) => pauses.at('after', label));
    const asked = installation.addonApi('DELETE', `${path}/db-users/credentials`).catch(() => 'killed');
    for (const stop of stops) {
      await stop.reached();
      kill9(installation.pid('service'));
      stop.release();
    }
    expect(await asked).toBe('killed');
    const after = await changedFrom(before);
    expect(await ended).toBe(true);
    await tunnel.close();
    await until('the reset to end', async () => {
      const info = await installation.addonApi<{ status: string }>('GET', path).catch(() => null);
      return info?.status === 'available';
    });
    expect(await letsIn(before)).toBe(false);
    expect(await letsIn(after)).toBe(true);
    expect(await installation.addonApi('DELETE', `${path}/db-users/credentials`)).toEqual({ success: true });
    expect((await config()).DATABASE_URL).not.toBe(after.DATABASE_URL);
  },
);
