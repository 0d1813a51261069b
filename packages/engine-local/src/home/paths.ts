import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Socket paths end at 103 bytes on macOS (107 on Linux); the longest below the runtime directory is
 * `/<16 characters>/pg/.s.PGSQL.5432`.
 */
const LONGEST_RUNTIME_DIRECTORY = 103 - 34;

/** Where the sockets of this home are: `run` in it, or a short directory in the system's temporary one when that is too long. */
export function runtimeDirectory(home: string): string {
  const inside = join(resolve(home), 'run');
  if (Buffer.byteLength(inside) <= LONGEST_RUNTIME_DIRECTORY) return inside;
  const name = `borealis-${createHash('sha256').update(resolve(home)).digest('hex').slice(0, 12)}`;
  const outside = join(tmpdir(), name);
  return Buffer.byteLength(outside) <= LONGEST_RUNTIME_DIRECTORY ? outside : join('/tmp', name);
}

/** The keeper's RPC socket of this home. */
export function keeperSocket(home: string): string {
  return join(runtimeDirectory(home), 'keeper.sock');
}

/** Everything that is kept of one cluster. */
export interface ClusterPaths {
  directory: string;
  record: string;
  /** Which of the cluster's eras the data, the log and the bases are of: see `ofEra`. */
  era: number;
  eraDirectory: string;
  /** Of the primary's server, as are `data`, `postgresLog` and `socketDirectory`. Belongs to the PostgreSQL user, closed to others. */
  postgres: string;
  data: string;
  postgresLog: string;
  /** Finished WAL on its way into the archive; belongs to the PostgreSQL user, closed to others. */
  walSpool: string;
  /** Sealed WAL, closed to others. */
  archive: string;
  /** Copies of the data that restores begin with, closed to others. */
  bases: string;
  /** Data that could not be started and was replaced, kept for a while, closed to others. */
  broken: string;
  /** What a source that does not run had not archived of its log, for a cluster that is restored from it; closed to others. */
  walLeft: string;
  /** Log on its way to a server that is being restored; belongs to the PostgreSQL user, closed to others. */
  walStage: string;
  /** Sealed dumps, a directory for each database, closed to others. */
  backups: string;
  /** A server that a backup is restored into and that is thrown away afterwards; belongs to the PostgreSQL user, closed to others. */
  scratch: string;
  scratchSockets: string;
  /** The same for a base that is proven, and the log on its way to that server. */
  proof: string;
  proofSockets: string;
  proofStage: string;
  /** Belongs to the gateway's user, closed to others. */
  gateway: string;
  gatewayLog: string;
  /** How far the gateway's event spool has been read. */
  spool: string;
  /** Sockets, below the runtime directory. */
  run: string;
  socketDirectory: string;
  /** A short name of `gateway`: its control socket is bound through it. */
  gatewayLink: string;
}

export interface HomePaths {
  home: string;
  run: string;
  socket: string;
  identity: string;
  lock: string;
  authority: string;
  releases: string;
  events: string;
  clusters: string;
  /** Backups of destroyed clusters that are still to be removed from an object store. */
  storeRemovals: string;
  /** Releases of PostgreSQL that failed a trial. */
  refusedReleases: string;
  cluster(id: string): ClusterPaths;
}

export function homePaths(home: string): HomePaths {
  const root = resolve(home);
  const run = runtimeDirectory(root);
  return {
    home: root,
    run,
    socket: keeperSocket(root),
    identity: join(root, 'home.json'),
    lock: join(root, 'keeper.lock'),
    authority: join(root, 'ca'),
    releases: join(root, 'releases'),
    events: join(root, 'events'),
    clusters: join(root, 'clusters'),
    storeRemovals: join(root, 'store-removals'),
    refusedReleases: join(root, 'refused-releases.json'),
    cluster: (id) => clusterPaths(join(root, 'clusters', id), join(run, id), 1),
  };
}

/**
 * The paths of a cluster in one of its eras, and of its first node there. With each major of PostgreSQL an era begins: data, log and bases of one
 * are of no use in another, and their names are the same. The first one's are where those of the only one always were.
 */
export function ofEra(paths: ClusterPaths, era: number): ClusterPaths {
  return clusterPaths(paths.directory, paths.run, era);
}

/**
 * The paths of a cluster whose primary is that node of the same era: the server's own are those of the node. The first one's are where the only
 * server of a cluster always was.
 */
export function ofNode(paths: ClusterPaths, node: number): ClusterPaths {
  const postgres = join(paths.eraDirectory, node === 1 ? 'postgres' : `node${node}`);
  return {
    ...paths,
    postgres,
    data: join(postgres, 'data'),
    postgresLog: join(postgres, 'server.log'),
    socketDirectory: join(paths.run, socketName(paths.era, node)),
  };
}

/** Two characters, as there is no room for more: a node, after a letter for the era. Of more than two eras no servers run side by side. */
function socketName(era: number, node: number): string {
  if (era === 1) return node === 1 ? 'pg' : `p${node}`;
  return `${'hijklmno'[era % 8]}${node}`;
}

function clusterPaths(directory: string, run: string, era: number): ClusterPaths {
  const eraDirectory = era === 1 ? directory : join(directory, `era${era}`);
  return {
    directory,
    record: join(directory, 'cluster.json'),
    era,
    eraDirectory,
    postgres: join(eraDirectory, 'postgres'),
    data: join(eraDirectory, 'postgres', 'data'),
    postgresLog: join(eraDirectory, 'postgres', 'server.log'),
    // Not in `postgres`: its owner could put another directory in the place of one in it, and the keeper removes files there.
    walSpool: join(eraDirectory, 'wal-spool'),
    archive: join(eraDirectory, 'archive'),
    bases: join(eraDirectory, 'bases'),
    broken: join(eraDirectory, 'broken'),
    walLeft: join(directory, 'wal-left'),
    walStage: join(directory, 'wal-stage'),
    backups: join(directory, 'backups'),
    scratch: join(directory, 'scratch'),
    scratchSockets: join(run, 'sc'),
    proof: join(directory, 'proof'),
    proofSockets: join(run, 'bp'),
    proofStage: join(directory, 'proof-stage'),
    gateway: join(directory, 'gateway'),
    gatewayLog: join(directory, 'gateway.log'),
    spool: join(directory, 'spool.json'),
    run,
    socketDirectory: join(run, socketName(era, 1)),
    gatewayLink: join(run, 'gw'),
  };
}
