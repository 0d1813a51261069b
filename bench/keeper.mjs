import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findPlan, SMALLEST_ISOLATED_PLAN } from '@borealis/contract';
import { startKeeper } from '@borealis/engine-local';
import { cacheDirectory } from '@borealis/postgres';
import { pino } from 'pino';
import { homePaths, ofNode } from '../packages/engine-local/dist/home/paths.js';
import { MAJOR } from './peer/postgres.mjs';
import { until } from './run.mjs';
import { serverEnvironment } from './server.mjs';

const GATEWAY = fileURLToPath(new URL('../packages/gateway/dist/bundle', import.meta.url));
/** A step shorter than this is not seen. */
const LOOK_MS = 5;
/** A cluster whose document names nobody to let in gets no bases. */
const ACCESS = {
  revision: 1,
  databases: [{ name: 'bench', owner: 'app_rw_bench' }],
  roles: [{ name: 'app_rw_bench', database: 'bench', verifiers: [], validUntil: null }],
  tunnelUsers: [],
};

/** For those who measure something else. */
export const NO_BASES = { first: 10 ** 9 };

/** The engine of one machine in this very process, on a home of its own, without a service. */
export class Keeper {
  #keeper;
  #copied = [];

  constructor(home) {
    this.paths = homePaths(home);
  }

  /** Stops with all clusters when `stop` is called, or `cleanup` runs. `bases`: when bases are made. */
  static async start(home, { bases, cleanup }) {
    const keeper = new Keeper(home);
    const log = pino({ level: 'info' }, { write: (line) => keeper.#note(JSON.parse(line)) });
    keeper.#keeper = await startKeeper({ home, cacheDir: cacheDirectory(), gatewayBundle: GATEWAY, log, bases });
    cleanup.add('The engine', () => keeper.stop());
    return keeper;
  }

  #note(line) {
    if (line.msg === 'a cluster was copied') this.#copied.push(line);
  }

  get engine() {
    return this.#keeper.engine;
  }

  stop() {
    return this.#keeper.stop({ clusters: true });
  }

  /** A cluster of the smallest plan that has one of its own, empty or a copy of another, on so many nodes; resolves at once. */
  create(id, origin, nodes = 1) {
    const { vcpu, memoryGiB, storageGiB } = findPlan(SMALLEST_ISOLATED_PLAN);
    const spec = { major: MAJOR, tenancy: 'isolated', nodes, vcpu, memoryGiB, storageGiB };
    return this.engine.createCluster(id, { ...spec, ...(origin && { origin }) });
  }

  async untilReady(id) {
    await until(`the cluster ${id}`, async () => (await this.engine.cluster(id))?.phase === 'ready', { seconds: 900 });
  }

  /** Lets tenants in, so that bases are made. */
  open(id) {
    return this.engine.applyAccess(id, ACCESS);
  }

  /** What is to be known of a running node's server to connect to it and to copy it. */
  async serverSpec(id, node = 1) {
    const { record, socketDirectory, data } = ofNode(this.paths.cluster(id), node);
    const { superuserPassword: password } = JSON.parse(await readFile(record, 'utf8'));
    const { uid, gid } = await stat(data);
    return {
      dataDirectory: data,
      socketDirectory,
      port: 5432,
      superuser: { name: 'borealis', password },
      os: { uid, gid },
    };
  }

  /** What libpq's programs read to be the superuser of a cluster, on one of its nodes. */
  async environment(id, node = 1) {
    return serverEnvironment(await this.serverSpec(id, node));
  }

  /**
   * Makes `id` as a copy of a cluster (`moment` null: of now) and tells how, and the seconds of each part: until the first file was copied,
   * of the copying, from then to ready, and in all.
   */
  async copy(source, id, moment = null) {
    const marks = [performance.now()];
    await this.create(id, { clusterId: source, moment, renames: { databases: [], roles: [] } });
    for (const reached of [hasBegun, hasCopied, isReady]) {
      for (let look = await this.engine.cluster(id); !reached(look); look = await this.engine.cluster(id)) {
        if (look.phase === 'failed') throw new Error(`The copy failed: ${look.detail}`);
        await sleep(LOOK_MS);
      }
      marks.push(performance.now());
    }
    const [before, copying, after] = [1, 2, 3].map((n) => (marks[n] - marks[n - 1]) / 1000);
    const { method, bytes } = this.#copied.findLast(({ cluster }) => cluster === id);
    return { method, bytes, before, copying, after, total: (marks[3] - marks[0]) / 1000 };
  }
}

const isReady = ({ phase }) => phase === 'ready';
const hasCopied = ({ phase }) => phase === 'starting' || phase === 'ready';
const hasBegun = (state) => hasCopied(state) || /^Copying the data: /.test(state.detail);
