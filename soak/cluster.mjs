import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clusterHosts, formatVerifier, makeSshKeyPair, makeVerifier } from '@borealis/contract';
import { createEngineClient, keeperSocket } from '@borealis/engine-local';
import pg from 'pg';
import { removeHome } from '../bench/home.mjs';
import { end, until } from '../bench/run.mjs';
import { openTunnel, prepareSsh } from '../bench/tunnel.mjs';
import { requestStatus } from '../packages/engine-local/dist/gateway/control-client.js';
import { homePaths, ofEra, ofNode } from '../packages/engine-local/dist/home/paths.js';

const MAIN = fileURLToPath(new URL('./keeper-main.mjs', import.meta.url));
const APP = { user: 'app_rw_soak', password: 'Pa55wordOfTheSoak', database: 'soak' };
const PATIENCE = { seconds: 300, everyMs: 100 };
/** A server that was stopped answers nobody. */
const ANSWER_MS = 5000;

export const ID = 'soaked';
export const SPEC = {
  major: '16',
  tenancy: /** @type {const} */ ('isolated'),
  nodes: 2,
  vcpu: 1,
  memoryGiB: 1,
  storageGiB: 10,
};

/** A keeper in a process of its own with one cluster, and a tunnel to its gateway. */
export class Cluster {
  /** Everything that the engine has told. */
  events = [];
  #cursor = null;

  constructor(home, log) {
    this.home = home;
    this.log = log;
    this.paths = homePaths(home);
    this.engine = createEngineClient(keeperSocket(home));
  }

  /** Resolves when the cluster is protected and can be restored. It goes, with its home, when `cleanup` runs. */
  static async start(cleanup, major) {
    const directory = await mkdtemp(join(tmpdir(), 'bk-'));
    await chmod(directory, 0o755); // the databases' own users pass through
    cleanup.add('The directory of the cluster', () => removeHome(directory));
    const cluster = new Cluster(join(directory, 'h'), join(directory, 'keeper.log'));
    await cluster.#startKeeper(cleanup);
    await cluster.engine.createCluster(ID, { ...SPEC, major });
    const { gateway } = await until(
      'the cluster',
      async () => {
        const state = await cluster.engine.cluster(ID);
        if (state.phase === 'failed') throw new Error(`The cluster cannot be made: ${state.detail}`);
        return state.phase === 'ready' && state;
      },
      PATIENCE,
    );
    await cluster.#openTunnel(gateway, cleanup);
    await until('a base', async () => (await cluster.engine.restoreWindow(ID))?.earliest, PATIENCE);
    await cluster.untilProtected();
    return cluster;
  }

  async #startKeeper(cleanup) {
    const child = spawn(process.execPath, [MAIN, this.home], { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    cleanup.add('The engine', () => end(child));
    child.stderr.pipe(createWriteStream(this.log));
    const first = await Promise.race([once(child.stdout, 'data'), once(child, 'close').then(() => null)]);
    if (!first) throw new Error(`The engine did not start: ${await readFile(this.log, 'utf8')}`);
  }

  async #openTunnel({ host, port, hostKey }, cleanup) {
    const { publicKey, privateKey } = makeSshKeyPair();
    await this.engine.applyAccess(ID, await access(publicKey));
    const { primary, port: databasePort } = clusterHosts(ID);
    const target = { name: 'soaked', target: `${primary}:${databasePort}`, username: 'soaker', ...APP };
    const endpoint = { ...target, host, port, hostKey, privateKey: privateKey.reveal() };
    this.tunnel = await openTunnel(await prepareSsh(endpoint, cleanup));
    cleanup.add('The tunnel', () => this.tunnel.close());
  }

  /** A new session of the app's, through gateway and tunnel. It has ended when `ended` is set, with the error if there was one. */
  async session(name) {
    this.tunnel.check();
    const where = { host: '127.0.0.1', port: this.tunnel.port, application_name: name };
    const client = Object.assign(new pg.Client({ ...APP, ...where, ssl: { rejectUnauthorized: false } }), {
      ended: null,
    });
    client.on('error', (error) => {
      client.ended ??= error;
    });
    client.on('end', () => {
      client.ended ??= new Error('The connection was closed.');
    });
    await client.connect();
    return client;
  }

  /**
   * Runs one statement as the keeper's own role, straight on a node's socket.
   * @param {string} sql
   * @param {{ node?: number, id?: string, database?: string, values?: unknown[] }} [where]
   */
  async ask(sql, { node, id = ID, database = APP.database, values } = {}) {
    const record = await this.record(id);
    const host = this.#pathsOf(record, node ?? record.primary).socketDirectory;
    const who = { user: 'borealis', password: record.superuserPassword, database };
    const patience = { connectionTimeoutMillis: ANSWER_MS, query_timeout: 60_000 };
    const client = new pg.Client({ host, port: 5432, ...who, ...patience });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query(sql, values)).rows;
    } finally {
      void client.end().catch(() => {});
    }
  }

  /** What is written down of a cluster. */
  async record(id = ID) {
    return JSON.parse(await readFile(this.paths.cluster(id).record, 'utf8'));
  }

  /** Where the data of one of the nodes that it has now are. */
  async dataOf(node) {
    return this.#pathsOf(await this.record(), node).data;
  }

  #pathsOf({ id, era }, node) {
    return ofNode(ofEra(this.paths.cluster(id), era), node);
  }

  /** Counts of the gateway. */
  async counters() {
    return (await requestStatus(this.paths.cluster(ID).gateway, 30)).counters;
  }

  /** Resolves when nothing is under way, and every standby that there shall be has all that is acknowledged. */
  async untilProtected() {
    let seen = '';
    const look = async () => {
      const state = await this.engine.cluster(ID).catch((error) => error.message);
      const record = await this.record();
      const roles = record.standbys.map(({ role }) => role);
      seen = `${state.phase ?? 'no answer'}, ${state.detail ?? state}, standbys: ${roles.join(', ')}`;
      const isComplete = roles.length + 1 === record.spec.nodes && roles.every((role) => role === 'eligible');
      return state.phase === 'ready' && state.specInForce && record.failover === null && isComplete;
    };
    await until('every node to have everything', look, PATIENCE).catch((error) => {
      throw new Error(`${error.message}; last seen: ${seen}`);
    });
    await this.readEvents();
  }

  async readEvents() {
    const { events, cursor } = await this.engine.events(this.#cursor, 0);
    this.events.push(...events.filter(({ clusterId }) => clusterId === ID));
    this.#cursor = cursor;
  }
}

async function access(publicKey) {
  const { user, password, database } = APP;
  const verifiers = [formatVerifier(await makeVerifier(password))];
  const person = { kind: /** @type {const} */ ('app'), label: 'soak', database, roles: [user], validUntil: null };
  return {
    revision: 1,
    databases: [{ name: database, owner: user }],
    roles: [{ name: user, database, verifiers, validUntil: null }],
    tunnelUsers: [{ ...person, username: 'soaker', publicKeys: [publicKey] }],
  };
}
