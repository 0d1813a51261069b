import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  copiedBytes,
  copyStandby,
  dropSlot,
  ensureReplicationRole,
  fenceServer,
  findServer,
  listSlots,
  placeDataDirectory,
  reload,
  renewSlot,
  runningVersion,
  type ServerSpec,
  StartTimeout,
  startServer,
  stopServer,
  trimLog,
} from '@borealis/postgres';
import type { StandbyRole } from '../cluster/record.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { requireRoom } from '../copies/room.js';
import { toEngineError } from '../errors.js';
import { ensureNodeDirectories } from './directories.js';
import { applyRequirement, configureStandby, pathsOf, replicationPassword, standbySpec } from './node-spec.js';
import { MOST_NODES, nodeName, plannedStandbys, REPLICATION_ROLE, roleOf, withRole } from './roles.js';
import { endOtherSize, noteSize, standAside } from './sizes.js';

const LOOK_MS = 1000;
/** So often in a row a standby may fail to start before its data is made anew. */
const STARTS = 3;
const START_SECONDS = 60;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Makes the standbys of a cluster what its record says, until `signal` says so: makes those that are missing from the running primary,
 * starts those that died, removes those that are not wanted any more. Copying takes as long as it takes, so this is no step of the cluster's loop:
 * it never changes who the primary is, nor what commits wait for.
 */
export async function watchStandbys(state: ClusterState, signal: AbortSignal): Promise<void> {
  const watch = new StandbyWatch(state, signal);
  while (!signal.aborted) await sleep(await watch.look(), undefined, { signal }).catch(() => undefined);
}

class StandbyWatch {
  #failures = 0;
  /** The primary that has been prepared for standbys, by its generation and process. */
  #prepared = '';
  /** Slots and directories that may be left of nodes that are gone were looked for. */
  #tidied = false;
  /** Standbys that run by their files, as far as this keeper has seen, and how often in a row others did not start. */
  readonly #loaded = new Set<number>();
  readonly #failedStarts = new Map<number, number>();
  /** By which release each of them runs, as far as this keeper has seen. */
  readonly #releases = new Map<number, string>();

  constructor(
    private readonly state: ClusterState,
    private readonly signal: AbortSignal,
  ) {}

  /** Does what there is to do; gives the milliseconds until the next look. */
  async look(): Promise<number> {
    const { state } = this;
    try {
      // Whether the primary is to be started or replaced is decided by what runs: nothing is started before.
      if (!state.server && !state.mayStartPrimary) return LOOK_MS;
      if (!state.directoriesReady || !state.release || !state.journal.record.born) return LOOK_MS;
      await this.#plan();
      await this.#keepAll();
      if (!this.#tidied && state.promoted && state.server) await this.#tidy();
      this.#failures = 0;
      return LOOK_MS;
    } catch (error) {
      if (this.signal.aborted) return 0;
      return this.#note(error);
    }
  }

  /** One node more or less at a time. The record goes first, so that what is left of a removed node is found again. */
  async #plan(): Promise<void> {
    const { journal } = this.state;
    if (!plannedStandbys(journal.record)) return;
    const before = journal.record.standbys;
    await journal.update((record) => ({ standbys: plannedStandbys(record) ?? record.standbys }));
    this.state.configured = false;
    this.state.wake();
    if (journal.record.standbys.length > before.length) return;
    // Before its server is ended, since commits may wait for it.
    if (this.state.promoted && this.state.server) await applyRequirement(this.state);
    this.#tidied = false;
  }

  /** One that fails keeps no other from being looked after. */
  async #keepAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const { node, role } of this.state.journal.record.standbys)
      await this.#keep(node, role).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  async #keep(node: number, role: StandbyRole): Promise<void> {
    const { state, signal } = this;
    signal.throwIfAborted();
    const primary = state.promoted ? state.server : null;
    if (role === 'stale') {
      if (!primary || state.journal.record.failover) return;
      if (!(await this.#prepare())) return;
      await removeNode(state, node);
      await state.journal.update((record) =>
        roleOf(record, node) === 'stale' ? withRole(record, node, 'following') : {},
      );
    }
    await ensureNodeDirectories(state, pathsOf(state, node));
    const isReady = primary !== null && (await this.#prepare());
    await this.#ensureData(node, isReady);
    await this.#run(node);
  }

  /** What the primary needs to feed standbys; false while it cannot be given that. */
  async #prepare(): Promise<boolean> {
    const { state } = this;
    const prepared = `${state.journal.record.generation} ${state.server?.pid} ${state.server?.startTime}`;
    if (this.#prepared === prepared) return true;
    if (!state.configured || !state.configurationLoaded) return false;
    const client = await connect(serverSpec(state));
    try {
      await ensureReplicationRole(client, REPLICATION_ROLE, replicationPassword(state));
      const there = await listSlots(client);
      for (const { node } of state.journal.record.standbys)
        if (!there.includes(nodeName(node))) await renewSlot(client, nodeName(node));
    } finally {
      await client.end();
    }
    this.#prepared = prepared;
    return true;
  }

  async #ensureData(node: number, hasPrimary: boolean): Promise<void> {
    const { state, signal } = this;
    const spec = standbySpec(state, node);
    await placeDataDirectory(spec, async (data) => {
      if (!hasPrimary) throw new Error(`There is no primary to copy ${nodeName(node)} from.`);
      const primary = serverSpec(state);
      await requireRoom(state, await copiedBytes(primary.dataDirectory));
      const client = await connect(primary);
      await renewSlot(client, nodeName(node)).finally(() => client.end());
      const begun = Date.now();
      const { method, bytes } = await copyStandby(primary, data, { to: spec.os, signal });
      const milliseconds = Date.now() - begun;
      state.context.log.info(
        { cluster: state.journal.record.id, node, method, bytes, milliseconds },
        'a standby was copied',
      );
    });
  }

  async #run(node: number): Promise<void> {
    const { state } = this;
    const spec = standbySpec(state, node);
    await trimLog(spec.logFile);
    const changed = await configureStandby(state, node);
    if (roleOf(state.journal.record, node) === null) return;
    await this.#endOtherRelease(node, spec);
    if (await findServer(spec)) {
      // One that an earlier keeper configured and could not reload runs by older files, too.
      if (changed || !this.#loaded.has(node)) await reload(spec);
      if (state.promoted && state.server && !state.journal.record.failover) await endOtherSize(state, node, spec);
    }
    if (!(await findServer(spec))) await this.#start(node, spec);
    this.#loaded.add(node);
  }

  /** Another release follows the primary that runs by it. */
  async #endOtherRelease(node: number, spec: ServerSpec): Promise<void> {
    const { version } = spec.release;
    if (this.state.journal.record.next || !this.state.server || this.#releases.get(node) === version) return;
    const running = await findServer(spec);
    if (running && (await runningVersion(spec)) !== version) {
      await standAside(this.state, node);
      await stopServer(running, { mode: 'fast', seconds: 60 });
    }
    this.#releases.set(node, version);
  }

  /** Data with which it does not start is made anew, once no commit waits for it any more. */
  async #start(node: number, spec: ServerSpec): Promise<void> {
    const { state } = this;
    try {
      await startServer(spec, { seconds: START_SECONDS });
      this.#failedStarts.delete(node);
      noteSize(state, node);
    } catch (error) {
      const failed = (this.#failedStarts.get(node) ?? 0) + 1;
      this.#failedStarts.set(node, failed);
      if (failed >= STARTS && !(error instanceof StartTimeout)) await giveUp(state, node);
      throw error;
    }
  }

  /** Removes what is left of nodes that the plan does not have any more. */
  async #tidy(): Promise<void> {
    const { state } = this;
    const { primary, standbys } = state.journal.record;
    const wanted = [primary, ...standbys.map(({ node }) => node)];
    for (let node = 1; node <= MOST_NODES; node++) if (!wanted.includes(node)) await removeNode(state, node);
    const client = await connect(serverSpec(state));
    try {
      for (const slot of await listSlots(client))
        if (/^node\d+$/.test(slot) && !standbys.some(({ node }) => nodeName(node) === slot))
          await dropSlot(client, slot);
    } finally {
      await client.end();
    }
    this.#tidied = true;
  }

  #note(error: unknown): number {
    this.#failures = Math.min(this.#failures + 1, 10);
    const { id } = this.state.journal.record;
    this.state.context.log.error(
      { cluster: id, err: toEngineError(error) },
      'a standby could not be kept; it is tried again',
    );
    return Math.min(LONGEST_PAUSE_MS, LOOK_MS * 2 ** this.#failures);
  }
}

/** Has the data of a standby that cannot go on made anew, unless commits may still wait for it. */
export async function giveUp({ journal }: ClusterState, node: number): Promise<void> {
  await journal.update((record) => (roleOf(record, node) === 'following' ? withRole(record, node, 'stale') : {}));
}

/** Ends the server of a node that is not the primary, and removes its files. A node that is not there is no error. */
async function removeNode(state: ClusterState, node: number): Promise<void> {
  if (state.journal.record.primary === node) throw new Error('BUG: refused to remove the primary');
  const paths = pathsOf(state, node);
  await fenceServer(paths.data);
  for (const path of [paths.postgres, paths.socketDirectory])
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
}
