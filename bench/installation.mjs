import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseConnInfo } from '@borealis/contract';
import { removeHome } from './home.mjs';
import { end, until } from './run.mjs';

const CLI = resolve(import.meta.dirname, '../packages/borealis/dist/cli.js');

/** Everything that `npm start` starts, on a home of its own with free ports. */
export class Installation {
  /** Clusters that nobody has connected to. */
  untouched = [];
  #environment;
  #apps = 0;

  constructor(home, environment) {
    this.home = home;
    this.#environment = environment;
  }

  /** Resolves when it is up. It stops, and all of it goes, when `cleanup` runs. */
  static async start(cleanup) {
    const home = await mkdtemp(join(tmpdir(), 'bo-'));
    await chmod(home, 0o711); // the databases' own users pass through
    cleanup.add('The directory of the installation', () => removeHome(home));
    const child = spawn(process.execPath, [CLI, 'up'], {
      env: { ...process.env, BOREALIS_HOME: home, BOREALIS_PLATFORM_PORT: '0', BOREALIS_API_PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output = `${output}${chunk}`.slice(-4000);
      });
    cleanup.add('The installation', () => end(child, 'SIGINT'));
    await until('the installation to be up', () => {
      if (child.exitCode !== null) throw new Error(`borealis up ended with ${child.exitCode}: ${output}`);
      return existsSync(join(home, 'env'));
    });
    return new Installation(home, await readEnvironment(join(home, 'env')));
  }

  /** Calls the platform as its first user. */
  #call(method, path, body) {
    return this.#request(this.#environment.PLATFORM_URL, this.#environment.HEROKU_API_KEY, method, path, body);
  }

  async #request(base, token, method, path, body) {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        accept: 'application/vnd.heroku+json; version=3',
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) {
      const { status } = response;
      throw Object.assign(new Error(`${method} ${path} was answered with ${status}.`), { status });
    }
    const text = await response.text();
    return text === '' ? null : JSON.parse(text);
  }

  /** A new person who may use the app, with a read-only password of his own. */
  async admitPerson({ app, name }, email) {
    const { token } = await this.#call('POST', '/stand-in/users', { email });
    await this.#call('POST', `/apps/${app}/collaborators`, { user: email });
    const path = `/heroku/resources/${name}/personal-db-users`;
    await this.#request(this.#environment.ADDON_API_URL, token, 'POST', path, { enableWriteAccess: false });
  }

  /** Rotates the app's credentials; seconds until the config vars carry the new ones. */
  async rotate({ app, id }) {
    const { operatorToken } = JSON.parse(await readFile(join(this.home, 'credentials.json'), 'utf8'));
    const url = async () => (await this.#call('GET', `/apps/${app}/config-vars`)).DATABASE_URL;
    const before = await url();
    const start = performance.now();
    await this.#request(this.#environment.ADDON_API_URL, operatorToken, 'POST', `/operator/addons/${id}/rotate`);
    await until('the new config vars', async () => (await url()) !== before);
    return (performance.now() - start) / 1000;
  }

  /** Resets all credentials; seconds until it is answered. */
  async reset({ name }) {
    const start = performance.now();
    const path = `/heroku/resources/${name}/db-users/credentials`;
    await this.#request(this.#environment.ADDON_API_URL, this.#environment.HEROKU_API_KEY, 'DELETE', path);
    return (performance.now() - start) / 1000;
  }

  /** Makes an app with a database. Returns both names, and the seconds from request to provisioned. */
  async provision(plan = 'borealis-pg:x1-s10-p1-r1') {
    const before = await this.clusters();
    this.#apps += 1;
    const app = `bench-${this.#apps}`;
    await this.#call('POST', '/apps', { name: app });
    const start = performance.now();
    const { id, name } = await this.#call('POST', `/apps/${app}/addons`, {
      attachment: {},
      config: {},
      plan: { name: plan },
    });
    await until(`the database of ${app}`, async () => {
      const { state } = await this.#call('GET', `/addons/${id}`);
      if (state === 'deprovisioned') throw new Error(`The database of ${app} could not be provisioned.`);
      return state === 'provisioned';
    });
    const seconds = (performance.now() - start) / 1000;
    const cluster = (await this.clusters()).find((name) => !before.includes(name));
    this.untouched.push(cluster);
    return { app, id, name, cluster, seconds };
  }

  /** Asks for another plan; resolves at once. */
  async changePlan({ app, id }, plan) {
    await this.#call('PATCH', `/apps/${app}/addons/${id}`, { plan: { name: plan } });
  }

  /** Asks for another major version of PostgreSQL; resolves at once, or when a short rehearsal has found that it can begin. */
  async upgradeMajor({ name }, major) {
    const path = `/heroku/resources/${name}/pg-version-upgrades`;
    const { ADDON_API_URL, HEROKU_API_KEY } = this.#environment;
    await this.#request(ADDON_API_URL, HEROKU_API_KEY, 'POST', path, { targetPgMajorVersion: major });
  }

  /** The tunnel and the login of a database, out of the config vars of its app. */
  async endpoint({ app, cluster }) {
    this.untouched = this.untouched.filter((name) => name !== cluster);
    const config = await this.#call('GET', `/apps/${app}/config-vars`);
    const info = parseConnInfo(config.DATABASE_TUNNEL_BPG_CONN_INFO);
    return {
      name: 'gateway',
      host: info.SSH_HOST,
      port: Number(info.SSH_PORT),
      hostKey: info.SSH_PUBLIC_HOST_KEY,
      username: info.SSH_USERNAME,
      privateKey: info.SSH_USER_PRIVATE_KEY,
      target: `${info.POSTGRES_WRITER_HOST}:${info.POSTGRES_PORT}`,
      user: info.POSTGRES_WRITER_USERNAME,
      password: info.POSTGRES_WRITER_PASSWORD,
      database: info.POSTGRES_DB_NAME,
    };
  }

  /** Names of the clusters that a tunnel leads to; the control database is not one. */
  async clusters() {
    const names = await readdir(join(this.home, 'clusters'));
    return names.filter((name) => existsSync(join(this.home, 'clusters', name, 'gateway/gateway.json')));
  }
}

async function readEnvironment(file) {
  const lines = (await readFile(file, 'utf8')).matchAll(/^export (\w+)='(.*)'$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
}
