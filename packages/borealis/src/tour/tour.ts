import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseConnInfo, SERVICE_SLUG, SMALLEST_ISOLATED_PLAN } from '@borealis/contract';
import { runDyno } from '../dyno.js';
import { Failure } from '../failure.js';
import { PROJECT } from '../local-settings.js';
import { type PlatformClient, PlatformRefusal } from '../platform-client.js';
import type { Steps } from '../terminal.js';
import { listeningPorts, serverPids } from './listening-ports.js';
import { firstLine } from './ssh-banner.js';

const APP = 'tour';
const PLAN = `${SERVICE_SLUG}:${SMALLEST_ISOLATED_PLAN}`;

interface Addon {
  id: string;
  name: string;
  state: string;
  provision_message?: string;
}

export interface TourOptions {
  home: string;
  platform: PlatformClient;
  steps: Steps;
  /** What the service is doing for an add-on, as a sentence; null when it does not say. */
  progress(addonId: string): Promise<string | null>;
}

async function createApp({ platform, steps }: TourOptions): Promise<void> {
  await steps.run(`Creating the app "${APP}"`, async () => {
    await platform.request('POST', '/apps', { name: APP }).catch(async (error) => {
      if (!(error instanceof PlatformRefusal) || error.status !== 422) throw error;
      await platform.request('GET', `/apps/${APP}`);
    });
  });
}

/** The app's add-on: the one it has, or a new one made the way `heroku addons:create` does. */
async function createAddon({ platform }: TourOptions): Promise<Addon> {
  const existing = await platform.request<Addon[]>('GET', `/apps/${APP}/addons`);
  if (existing[0]) return existing[0];
  return platform.request<Addon>('POST', `/apps/${APP}/addons`, {
    attachment: {},
    config: {},
    plan: { name: PLAN },
  });
}

async function waitForAddon(options: TourOptions, addon: Addon, update: (detail: string) => void): Promise<void> {
  for (let state = addon.state; state !== 'provisioned'; ) {
    if (state !== 'provisioning') throw new Failure(`The add-on is ${state} instead of provisioned.`);
    update((await options.progress(addon.id)) ?? 'waiting');
    await sleep(200);
    state = (await options.platform.request<Addon>('GET', `/addons/${addon.id}`)).state;
  }
}

/** Runs the sample app in a dyno and returns what it saw through its `DATABASE_URL`. */
async function runSampleApp({ platform, steps }: TourOptions): Promise<void> {
  const slug = mkdtempSync(join(tmpdir(), 'slug-'));
  try {
    await copyFile(join(PROJECT, 'packages/borealis/dist/sample-app/bundle.cjs'), join(slug, 'app.cjs'));
    const seen = await steps.run(
      'Starting a dyno: the buildpack opens the tunnel, the app uses DATABASE_URL',
      async () => {
        const result = await runDyno(platform, {
          app: APP,
          command: [process.execPath, 'app.cjs'],
          slug,
          output: 'capture',
        });
        if (result.status !== 0)
          throw new Failure(`The sample app failed (status ${result.status}): ${result.stderr.trim()}`);
        return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '{}') as {
          version: string;
          visits: string;
          readOnlyRefusal: string | null;
        };
      },
    );
    if (!seen.readOnlyRefusal) throw new Failure('A write through DATABASE_READONLY_URL was accepted.');
    steps.tell(`PostgreSQL ${seen.version} answered; the app has been visited ${seen.visits} time(s).`);
    steps.tell(`A write through DATABASE_READONLY_URL is refused: ${seen.readOnlyRefusal}.`);
  } finally {
    rmSync(slug, { recursive: true, force: true });
  }
}

/** Shows that the tunnel is the only way: PostgreSQL has no TCP port, and the one that leads to it speaks SSH. */
async function showIsolation({ home, platform, steps }: TourOptions): Promise<void> {
  const config = await platform.request<Record<string, string>>('GET', `/apps/${APP}/config-vars`);
  const name = Object.keys(config).find((key) => key.endsWith('_TUNNEL_BPG_CONN_INFO'));
  if (!name) throw new Failure('The app has no tunnel config var.');
  const info = parseConnInfo(config[name]!);
  await steps
    .run('Looking for a TCP port that leads to PostgreSQL', async () => {
      const pids = serverPids(join(home, 'clusters'));
      if (pids.length === 0) throw new Failure('No PostgreSQL server was found to look at.');
      const ports = listeningPorts(pids);
      if (ports.length > 0) throw new Failure(`PostgreSQL listens on TCP port ${ports.join(', ')}.`);
      return pids;
    })
    .then((pids) => steps.tell(`None: ${pids.length} PostgreSQL servers run here, on Unix sockets alone.`));
  const banner = await firstLine(info.SSH_HOST!, Number(info.SSH_PORT));
  if (!banner.startsWith('SSH-2.0-'))
    throw new Failure(`${info.SSH_HOST}:${info.SSH_PORT} is not an SSH server: ${banner}`);
  steps.tell(`The one door, ${info.SSH_HOST}:${info.SSH_PORT}, speaks SSH with this app's key only.`);
}

/** Walks through everything a user does, for real; throws at the first step that fails. May be repeated. */
export async function tour(options: TourOptions): Promise<void> {
  await createApp(options);
  const addon = await options.steps.run(
    `Provisioning a cluster of its own, as "heroku addons:create ${PLAN}" does`,
    async (update) => {
      const created = await createAddon(options);
      await waitForAddon(options, created, update);
      return created;
    },
  );
  options.steps.tell(
    `${addon.name} is ready: DATABASE_URL, DATABASE_READONLY_URL and DATABASE_TUNNEL_BPG_CONN_INFO are set.`,
  );
  await runSampleApp(options);
  await showIsolation(options);
}
