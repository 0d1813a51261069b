import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SMALLEST_ISOLATED_PLAN } from '@borealis/contract';
import { kill9, processes, processesOf } from './processes.js';
import { until } from './until.js';

/** The plan that most scenarios are about: a cluster of one's own. */
export const ISOLATED = `borealis-pg:${SMALLEST_ISOLATED_PLAN}`;

/** The compiled `borealis` command. */
export const CLI = resolve(import.meta.dirname, '../../packages/borealis/dist/cli.js');

/** A directory for one installation: short, because of socket paths, and open to the users that PostgreSQL runs as. */
export function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'bo-'));
  chmodSync(home, 0o711);
  return home;
}

/** Takes a home away with everything that may be left of it: processes, operating-system users, files. */
export function removeHome(home: string): void {
  for (const { pid } of processesOf(home)) kill9(pid);
  const identity = join(home, 'home.json');
  if (process.getuid?.() === 0 && existsSync(identity)) {
    removeUsers((JSON.parse(readFileSync(identity, 'utf8')) as { id: string }).id);
  }
  rmSync(home, { recursive: true, force: true });
}

/** Takes away the operating-system users of the home with that id. */
export function removeUsers(homeId: string): void {
  const users = readFileSync('/etc/passwd', 'utf8').match(new RegExp(`^b(pg|gw)-${homeId}-[^:]+`, 'gm')) ?? [];
  for (const user of users) spawnSync('userdel', [user]);
}

export interface UpProcess {
  child: ChildProcess;
  home: string;
  output(): string;
  exit: Promise<number | null>;
}

/** Starts `borealis up` as a user would, with ports of its own. */
export function launch(home: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): UpProcess {
  const child = spawn(process.execPath, [CLI, 'up', ...args], {
    env: { ...process.env, BOREALIS_HOME: home, BOREALIS_PLATFORM_PORT: '0', BOREALIS_API_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const exit = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  return { child, home, output: () => output, exit };
}

/** Everything running on one temporary home, and what the command line tools need to use it. */
export class Installation {
  readonly home: string;
  readonly environment: Record<string, string>;
  readonly #up: UpProcess;

  private constructor(up: UpProcess, environment: Record<string, string>) {
    this.#up = up;
    this.home = up.home;
    this.environment = environment;
  }

  static async start(options: { home?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Installation> {
    const home = options.home ?? temporaryHome();
    const file = join(home, 'env');
    // Left by an installation that was killed, it would look like the sign that this one is up.
    rmSync(file, { force: true });
    const up = launch(home, [], options.env);
    await Promise.race([
      until(`${file}: ${up.output()}`, () => existsSync(file), 180),
      up.exit.then((code) => {
        throw new Error(`borealis up ended with ${code}: ${up.output()}`);
      }),
    ]);
    const environment = Object.fromEntries(
      [...readFileSync(file, 'utf8').matchAll(/^export (\w+)='(.*)'$/gm)].map((match) => [match[1]!, match[2]!]),
    );
    return new Installation(up, environment);
  }

  get output(): string {
    return this.#up.output();
  }

  /** The process number of one of the supervised processes, as it is now. */
  pid(name: 'service' | 'keeper' | 'platform'): number {
    const row = processes().find(
      ({ parent, command }) => parent === this.#up.child.pid && command.includes(`processes/${name}.js`),
    );
    if (!row) throw new Error(`no ${name} process`);
    return row.pid;
  }

  /** Calls the platform as its first user, or with another token. */
  async platform<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    token = this.environment.HEROKU_API_KEY!,
  ): Promise<T> {
    return call(`${this.environment.PLATFORM_URL}${path}`, method, token, body) as Promise<T>;
  }

  /** Calls the add-on API; a status of 400 or more is an `ApiError`. */
  async addonApi<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    token = this.environment.HEROKU_API_KEY!,
  ): Promise<T> {
    return call(`${this.environment.ADDON_API_URL}${path}`, method, token, body) as Promise<T>;
  }

  /** Creates an app with an add-on on it and waits until it is provisioned. */
  async createAddon(
    app: string,
    config: Record<string, string> = {},
    plan: string = ISOLATED,
  ): Promise<{ id: string; name: string }> {
    await this.platform('POST', '/apps', { name: app });
    const addon = await this.platform<{ id: string; name: string }>('POST', `/apps/${app}/addons`, {
      attachment: {},
      config,
      plan: { name: plan },
    });
    await this.untilProvisioned(addon.id);
    return addon;
  }

  async untilProvisioned(addonId: string): Promise<void> {
    await until(
      `add-on ${addonId} to be provisioned`,
      async () => (await this.platform<{ state: string }>('GET', `/addons/${addonId}`)).state === 'provisioned',
      180,
    );
  }

  /** Resolves when the add-on has that plan, and nothing is being done to it. */
  async untilPlan({ name }: { name: string }, plan: string): Promise<void> {
    await until(
      `the plan ${plan}`,
      async () => {
        const path = `/heroku/resources/${name}`;
        const { planName, status } = await this.addonApi<{ planName: string; status: string }>('GET', path);
        return `borealis-pg:${planName}` === plan && status === 'available';
      },
      180,
    );
  }

  config(app: string): Promise<Record<string, string>> {
    return this.platform('GET', `/apps/${app}/config-vars`);
  }

  /** The app's log so far, as `heroku logs` gets it. */
  async log(app: string): Promise<string> {
    const session = { tail: false, lines: 1500 };
    const { logplex_url } = await this.platform<{ logplex_url: string }>('POST', `/apps/${app}/log-sessions`, session);
    return (await fetch(logplex_url)).text();
  }

  /** Ends it as Ctrl+C does, and takes its directory away unless told otherwise. */
  async stop(options: { keep?: boolean } = {}): Promise<void> {
    this.#up.child.kill('SIGINT');
    const code = await this.#up.exit;
    if (!options.keep) this.remove();
    if (code !== 0) throw new Error(`borealis up ended with ${code}: ${this.output}`);
  }

  /** Kills the supervisor without a word, as a crash would. */
  async crash(): Promise<void> {
    kill9(this.#up.child.pid!);
    await this.#up.exit;
  }

  remove(): void {
    removeHome(this.home);
  }
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: Record<string, unknown>,
  ) {
    super(`${status}: ${JSON.stringify(body)}`);
  }
}

async function call(url: string, method: string, token: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: {
      accept: 'application/vnd.heroku+json; version=3',
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer = text === '' ? {} : JSON.parse(text);
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}
