import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SMALLEST_ISOLATED_PLAN } from '@borealis/contract';
import { createEngineClient, keeperSocket, openStore, type PoolInUse, tryStore } from '@borealis/engine-local';
import { withoutStoreAccess } from '@borealis/postgres';
import type { Config } from './config.js';
import { writeDurably } from './durable-file.js';
import { type Environment, writeEnvironment } from './env-file.js';
import { Failure } from './failure.js';
import { ensureHome, lockHome } from './home.js';
import { openPool, watchPool } from './home-pool.js';
import { OperatorClient } from './operator-client.js';
import { PlatformClient } from './platform-client.js';
import { choosePorts } from './ports.js';
import { ensurePrograms, platformRefusal } from './requirements.js';
import { type Credentials, ensureCredentials, ensureMasterKey } from './secrets.js';
import { type SupervisedProcess, supervise } from './supervisor.js';
import { Steps } from './terminal.js';
import { tour } from './tour/tour.js';

export interface UpOptions {
  config: Config;
  /** End after the tour instead of staying in the foreground. */
  once: boolean;
  /** Give the tour at the first start (`npm start`); `borealis up` alone does not. */
  guided: boolean;
}

/** The exit status of shells for what Ctrl+C ended. */
const INTERRUPTED = 130;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Everything that runs, and the way to end it in the right order: who asks first, then what is asked. */
class Installation {
  readonly #processes: SupervisedProcess[] = [];
  #stopping = false;

  async start(name: 'keeper' | 'platform' | 'service', env: NodeJS.ProcessEnv): Promise<void> {
    if (this.#stopping) throw new Failure('Stopped before everything was up.');
    const module = fileURLToPath(new URL(`./processes/${name}.js`, import.meta.url));
    const process = supervise({ name, module, env, onRestart: say });
    this.#processes.unshift(process);
    await process.ready;
  }

  /** Ends it at once: nothing that it would still write arrives. */
  async kill(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#processes.map((process) => process.stop(0)));
  }

  /** Ends what runs and what is just being started; nothing is started any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const process of this.#processes) await process.stop(60);
  }
}

async function startEverything(
  installation: Installation,
  config: Config,
  env: NodeJS.ProcessEnv,
  steps: Steps,
): Promise<void> {
  const store = config.store === null ? null : openStore(config.store);
  if (store) await steps.run(`Trying the store ${store.location}`, () => tryStore(store));
  await steps.run('Starting the keeper of the databases', () => installation.start('keeper', env));
  const others = withoutStoreAccess(env);
  // They end the other way round: the service's last work may still need the platform.
  await steps.run(`Starting the local platform on http://127.0.0.1:${config.platformPort}`, () =>
    installation.start('platform', others),
  );
  await steps.run('Starting the service and its control database', () => installation.start('service', others));
}

async function describe(config: Config, credentials: Credentials): Promise<Environment> {
  const platform = `http://127.0.0.1:${config.platformPort}`;
  const service = `http://127.0.0.1:${config.apiPort}`;
  const caFile = join(config.home, 'ca.pem');
  await writeDurably(caFile, await createEngineClient(keeperSocket(config.home)).caCertificate(), 0o644);
  return {
    HEROKU_HOST: platform,
    HEROKU_API_KEY: credentials.ownerToken,
    HEROKU_PARTICLEBOARD_URL: platform,
    HEROKU_BUILDPACK_REGISTRY_URL: platform,
    BOREALIS_PG_API_BASE_URL: service,
    PLATFORM_URL: platform,
    ADDON_API_URL: service,
    BOREALIS_CA_FILE: caFile,
    BOREALIS_HOME: config.home,
    OCLIF_DISABLE_LINKED_ESM_WARNING: '1',
  };
}

function showHowToGoOn(environmentFile: string): void {
  say(`
Everything is up. In another terminal, with the Heroku CLI (npm install --global heroku):

    . ${environmentFile}
    heroku plugins:link packages/plugin --no-install
    heroku borealis-pg:psql -a tour

    heroku apps:create my-app
    heroku addons:create borealis-pg:${SMALLEST_ISOLATED_PLAN} -a my-app --wait
    npx borealis dyno -a my-app -- env
`);
}

/** Prints what happens, from now on, until told to stop. */
async function showEvents(operator: OperatorClient, signal: AbortSignal): Promise<void> {
  say('Events appear here as they happen; Ctrl+C stops everything, and the data stays.');
  let cursor: string | null = null;
  while (!signal.aborted) {
    try {
      const answer = await operator.events(cursor, signal);
      for (const line of answer.lines) say(line);
      cursor = answer.cursor ?? cursor;
    } catch {
      await sleep(500, undefined, { signal }).catch(() => {});
    }
  }
}

async function giveTour(
  config: Config,
  credentials: Credentials,
  operator: OperatorClient,
  steps: Steps,
): Promise<void> {
  say('\nA tour: what one of your apps would do.');
  await tour({
    home: config.home,
    platform: new PlatformClient(`http://127.0.0.1:${config.platformPort}`, credentials.ownerToken),
    steps,
    progress: (id) => operator.sentence(id),
  });
  await writeDurably(join(config.home, 'tour.done'), new Date().toISOString());
}

/** Aborted by the first signal to end; further ones are ignored while things are being stopped in order. */
function untilStopped(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  // A terminal that was closed can be told nothing more, which must not keep us from stopping.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  return stop.signal;
}

/** Resolves with the work, or as soon as the user wants to stop, so that a long step does not hold him. */
function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T | 'stopped'> {
  const stopped = new Promise<'stopped'>((resolve) => {
    if (signal.aborted) resolve('stopped');
    else signal.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  return Promise.race([work, stopped]);
}

/** How long a tour that was interrupted may take to remove what it made. */
const TIDY_SECONDS = 5;

/** Starts everything on this machine and stays; returns the exit status. */
export async function up(options: UpOptions): Promise<number> {
  const refusal = platformRefusal(process.platform, process.arch);
  if (refusal) throw refusal;
  ensurePrograms(say);
  const stopped = untilStopped();
  const pool = await openPool(options.config, say);
  try {
    while (!stopped.aborted) {
      const status = await upOnHome(options, stopped, pool);
      if (status !== 'pool lost') return status;
      say('The pool cannot be read any more: mounting it anew, and starting everything again.');
      await pool?.repair();
    }
    return options.once ? INTERRUPTED : 0;
  } finally {
    await pool?.release();
  }
}

/** Runs everything until the user stops it, or until what is under the home has gone. */
async function upOnHome(
  { config: wanted, once, guided }: UpOptions,
  stopped: AbortSignal,
  pool: PoolInUse | null,
): Promise<number | 'pool lost'> {
  const home = await ensureHome(wanted.home, say);
  // Whoever has the pool has the home that is on it.
  const unlock = pool ? async () => {} : await lockHome(home);
  const installation = new Installation();
  const environmentFile = join(home, 'env');
  const watch = watchPool(pool);
  let running: Promise<void> = Promise.resolve();
  let lost = false;
  try {
    await rm(environmentFile, { force: true });
    const { platformPort, apiPort, mailPort } = wanted;
    const ports = await choosePorts(home, { platform: platformPort, api: apiPort, mail: mailPort });
    const config: Config = { ...wanted, home, platformPort: ports.platform, apiPort: ports.api };
    const credentials = await ensureCredentials(home);
    await ensureMasterKey(home, config.masterKey);
    const env = {
      ...process.env,
      BOREALIS_HOME: home,
      BOREALIS_PLATFORM_PORT: String(ports.platform),
      BOREALIS_API_PORT: String(ports.api),
      BOREALIS_MAIL_PORT: String(ports.mail),
    };
    const steps = new Steps();
    const work = async (): Promise<void> => {
      await startEverything(installation, config, env, steps);
      const operator = new OperatorClient(`http://127.0.0.1:${config.apiPort}`, credentials.operatorToken);
      await writeEnvironment(home, await describe(config, credentials));
      if (once || (guided && !existsSync(join(home, 'tour.done'))))
        await giveTour(config, credentials, operator, steps);
      if (once) return;
      showHowToGoOn(environmentFile);
      await showEvents(operator, AbortSignal.any([stopped, watch.lost]));
    };
    running = work();
    const end = await orStopped(running, AbortSignal.any([stopped, watch.lost]));
    lost = watch.lost.aborted;
    if (lost) return 'pool lost';
    // Status 0 of --once means that every step worked.
    return once && end === 'stopped' ? INTERRUPTED : 0;
  } catch (error) {
    lost = pool !== null && !(await pool.works());
    if (lost) return 'pool lost';
    throw error;
  } finally {
    watch.stop();
    if (lost) await installation.kill();
    else {
      await rm(environmentFile, { force: true });
      say('Stopping…');
      await installation.stop();
      await Promise.race([running.catch(() => {}), sleep(TIDY_SECONDS * 1000)]);
      await rm(environmentFile, { force: true });
      await unlock();
      say('Stopped. The data is kept.');
    }
  }
}

/** The owner's token of a running installation, for commands that act for him. */
export async function ownerToken(home: string): Promise<string> {
  return (JSON.parse(await readFile(join(home, 'credentials.json'), 'utf8')) as Credentials).ownerToken;
}
