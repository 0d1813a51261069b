import { rm } from 'node:fs/promises';
import type { Engine } from '@borealis/engine';
import { supportedPlatform } from '@borealis/postgres';
import type { FastifyInstance } from 'fastify';
import { Clusters } from './cluster/clusters.js';
import type { HomeContext } from './cluster/context.js';
import { UpgradeTurns } from './cluster/gateway-upgrade.js';
import { type ControlDatabase, ensureControlDatabase } from './control-database.js';
import { EventJournal } from './events/event-journal.js';
import { installGatewayProgram } from './gateway/program.js';
import { CertificateAuthority } from './home/certificate-authority.js';
import { homeIdentity, prepareHome } from './home/home.js';
import { type HomeLock, lockHome } from './home/lock.js';
import { LocalEngine } from './local-engine.js';
import type { KeeperOptions } from './options.js';
import { dataAtRest } from './pool/data-at-rest.js';
import { buildRpcServer, listenOnSocket } from './rpc/server.js';
import { StoreRemovals } from './store/store-removals.js';

/** The one daemon of a home: it owns every PostgreSQL server and every gateway there. */
export interface Keeper {
  /** The same engine that the socket serves, without the socket. */
  readonly engine: Engine;
  readonly socketPath: string;
  /** The service's own database, created on first use. */
  ensureControlDatabase(): Promise<ControlDatabase>;
  /**
   * Ends the keeper. With `clusters` everything it runs is stopped cleanly first; without, PostgreSQL and gateways go on and
   * the next keeper adopts them.
   */
  stop(options: { clusters: boolean }): Promise<void>;
}

/**
 * Starts the keeper of `options.home`, adopts what runs there, and resolves when its socket answers. Throws one sentence when
 * another keeper runs on that home, or when home or platform cannot serve.
 */
export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  supportedPlatform();
  const paths = await prepareHome(options.home);
  const lock = await lockHome(paths.lock);
  const ending = new AbortController();
  try {
    const context: HomeContext = {
      home: { id: await homeIdentity(paths), paths },
      options,
      log: options.log,
      authority: await CertificateAuthority.open(paths.authority),
      events: await EventJournal.open(paths.events),
      program: await installGatewayProgram(options.gatewayBundle, paths.releases),
      gatewayUpgrades: new UpgradeTurns(),
      dataAtRest: await dataAtRest(paths.home),
      ending: ending.signal,
    };
    context.log.info({ dataAtRest: context.dataAtRest }, 'what encrypts the files, and whether copies share blocks');
    return await run(context, lock, ending);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function run(context: HomeContext, lock: HomeLock, ending: AbortController): Promise<Keeper> {
  const clusters = new Clusters(context);
  const engine = new LocalEngine(context, clusters);
  const removals = new StoreRemovals(context);
  const control = () => ensureControlDatabase(context, clusters);
  const rpc = buildRpcServer({ engine, ensureControlDatabase: control, log: context.log });
  const socketPath = context.home.paths.socket;
  try {
    await clusters.adoptAll();
    await listenOnSocket(rpc, socketPath);
    removals.start();
  } catch (error) {
    await clusters.stop(false);
    throw error;
  }
  let stopping: Promise<void> | undefined;
  const stop = (processes: boolean) => {
    ending.abort(new Error('The keeper is stopping.'));
    stopping ??= removals.stop().then(() => shutDown(context, clusters, rpc, lock, processes));
    return stopping;
  };
  return { engine, socketPath, ensureControlDatabase: control, stop: (how) => stop(how.clusters) };
}

async function shutDown(
  context: HomeContext,
  clusters: Clusters,
  rpc: FastifyInstance,
  lock: HomeLock,
  processes: boolean,
): Promise<void> {
  try {
    await clusters.stop(processes);
  } finally {
    context.events.close();
    await rpc.close();
    await rm(context.home.paths.socket, { force: true });
    await lock.release();
  }
}
