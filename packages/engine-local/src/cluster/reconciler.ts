import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineError } from '@borealis/engine';
import { stopServer } from '@borealis/postgres';
import { isArchived } from '../archive/archive-of.js';
import { watchArchive } from '../archive/archive-watch.js';
import { Jobs } from '../backups/jobs.js';
import { removeScratch } from '../backups/scratch.js';
import { watchBaseProofs } from '../copies/base-proof-watch.js';
import { watchBases } from '../copies/base-watch.js';
import { toEngineError } from '../errors.js';
import { SpoolReader } from '../events/spool-reader.js';
import { newMajorState } from '../major/major-state.js';
import { watchMajor } from '../major/major-watch.js';
import { switchMajor } from '../major/switch-steps.js';
import { stopStandbys } from '../nodes/node-servers.js';
import { watchPrimary } from '../nodes/primary-watch.js';
import { replaceOnDemand } from '../nodes/replace-primary.js';
import { watchReplication } from '../nodes/replication-watch.js';
import { watchStandbys } from '../nodes/standby-watch.js';
import { finishFailover } from '../nodes/take-over.js';
import { newRestartState } from '../restart/restart-state.js';
import { restartServer } from '../restart/restart-steps.js';
import { hasStore } from '../store/backup-of.js';
import { watchDumps } from '../store/dump-watch.js';
import { watchStore } from '../store/store-watch.js';
import { watchStoredBases } from '../store/stored-base-watch.js';
import { Mutex } from '../system/mutex.js';
import { watchTenants } from '../tenants/tenant-watch.js';
import type { HomeContext } from './context.js';
import { destroyEverything } from './destroy.js';
import { GATEWAY_STEPS } from './gateway-steps.js';
import { stopGateways } from './gateways.js';
import { observe } from './observe.js';
import type { ClusterJournal } from './record.js';
import { Restarts } from './restarts.js';
import { findRunningServer } from './running.js';
import { isShared } from './server-spec.js';
import { SERVER_STEPS } from './server-steps.js';
import { SPEC_STEPS } from './spec-steps.js';
import type { ClusterState } from './state.js';
import type { Step } from './step.js';
import { Wake } from './wake.js';

const STEPS: readonly Step[] = [
  ...SERVER_STEPS,
  ...GATEWAY_STEPS,
  finishFailover,
  ...SPEC_STEPS,
  restartServer,
  switchMajor,
  replaceOnDemand,
];
const TICK = 1000;
const LONGEST_PAUSE = 15_000;
const WATCH_END_MS = 5000;

/**
 * Makes one cluster what its record says, for as long as it runs: looks, takes the first step that is not done, looks again.
 * All that happens to the cluster happens in this one loop, so no two of its steps ever overlap.
 */
export class ClusterReconciler {
  readonly #watchers = new Set<() => void>();
  #running: Promise<void> | null = null;
  #watching: Promise<unknown> | null = null;
  readonly #end = new AbortController();
  #stopped = false;
  #failures = 0;
  #gone = false;

  private constructor(
    readonly state: ClusterState,
    private readonly wakeUp: Wake,
    private readonly ending: AbortController,
  ) {}

  /** `others` gives all clusters of the home. */
  static async create(
    context: HomeContext,
    journal: ClusterJournal,
    others: () => ClusterState[],
  ): Promise<ClusterReconciler> {
    const { record, paths } = journal;
    const wakeUp = new Wake();
    const ending = new AbortController();
    const state: ClusterState = {
      context,
      journal,
      spool: await SpoolReader.open(record.id, paths, context.events, context.log),
      wake() {
        if (journal.record.wanted === 'gone') ending.abort();
        wakeUp.now();
      },
      ending: ending.signal,
      others,
      jobs: new Jobs(ending.signal),
      uploads: new Jobs(ending.signal, 'carry'),
      phase: record.born ? 'starting' : 'fetching',
      detail: 'Looking what is there',
      trouble: null,
      release: null,
      users: null,
      directoriesReady: false,
      dataReady: false,
      damages: 0,
      logEnded: false,
      configured: false,
      configurationLoaded: false,
      server: null,
      mayStartPrimary: false,
      fenced: false,
      promoted: false,
      failoverAt: null,
      failedOver: null,
      outcome: null,
      replacement: null,
      held: false,
      sizes: new Map(),
      configuring: new Mutex(),
      feeding: new Mutex(),
      gateway: null,
      draining: [],
      gatewaySilences: new Map(),
      gatewayProgram: null,
      gatewayUpgrade: null,
      gatewayUpgradeDueAt: 0,
      rolesRevision: record.accessInForce,
      rolesDueAt: 0,
      applied: new Map(),
      sweepDueAt: 0,
      gatewayRevision: -1,
      storedUpTo: null,
      storedBases: null,
      storedDumps: new Map(),
      restart: newRestartState(),
      major: newMajorState(),
      serverRestarts: new Restarts(),
      gatewayRestarts: new Restarts(),
    };
    return new ClusterReconciler(state, wakeUp, ending);
  }

  /** True once nothing is left of the cluster. */
  get gone(): boolean {
    return this.#gone;
  }

  start(): void {
    this.#running = this.loop();
    this.tidy();
    const watchers = [
      watchMajor,
      ...(isShared(this.state) ? [watchTenants] : []),
      ...(isArchived(this.state.journal.record) ? [watchArchive, watchBases, watchBaseProofs] : []),
      ...(isShared(this.state) ? [] : [watchPrimary, watchStandbys, watchReplication]),
      ...(hasStore(this.state) ? [watchStore, watchStoredBases] : []),
      ...(this.state.context.options.store ? [watchDumps] : []),
    ];
    this.#watching = Promise.all(watchers.map((watch) => watch(this.state, this.#end.signal)));
  }

  /** Resolves as soon as `condition` gives something, after any look; rejects when it throws. */
  async until<T>(condition: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const watcher = () => {
        try {
          const result = condition();
          if (result === undefined) return;
          this.#watchers.delete(watcher);
          resolve(result);
        } catch (error) {
          this.#watchers.delete(watcher);
          reject(error);
        }
      };
      this.#watchers.add(watcher);
      watcher();
    });
  }

  /** Ends the loop after the step it is in; the processes go on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.ending.abort();
    this.wakeUp.now();
    await this.#running;
    await this.endWatch();
    this.notify();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Stops the gateways, so that tunnels end cleanly. Only after `stop`. */
  async stopGateways(): Promise<void> {
    const { journal, spool } = this.state;
    if (!journal.record.gateway) return;
    await stopGateways(journal);
    await spool.closeOpenTunnels('gateway stopped', []);
  }

  /** Stops PostgreSQL on all nodes with everything written to disk, the primary first. Only after `stop`. */
  async stopServer(): Promise<void> {
    const server = await findRunningServer(this.state.journal);
    if (server) await stopServer(server, { mode: 'fast', seconds: 60 });
    await stopStandbys(this.state, 'fast');
  }

  private async loop(): Promise<void> {
    while (!this.#stopped) {
      const pause = await this.look();
      this.notify();
      if (pause > 0 && !this.#stopped) await this.wakeUp.wait(pause);
    }
  }

  /** One look and at most one step; gives the milliseconds until the next. */
  private async look(): Promise<number> {
    const { state } = this;
    try {
      if (state.journal.record.wanted === 'gone') return await this.destroy();
      await observe(state);
      const step = STEPS.find((candidate) => !candidate.isDone(state));
      return step ? await this.take(step) : this.settle();
    } catch (error) {
      // A long step was ended early, which is no trouble.
      if (state.ending.aborted && error === state.ending.reason) return 0;
      return this.fail(toEngineError(error));
    }
  }

  private async take(step: Step): Promise<number> {
    const { state } = this;
    const pause = step.wait?.(state) ?? 0;
    this.show(step);
    if (pause > 0) return Math.min(pause, TICK);
    await step.run(state);
    this.#failures = 0;
    state.trouble = null;
    return 0;
  }

  private show(step: Step): void {
    const { state } = this;
    state.detail = step.detail;
    if (state.serverRestarts.isLost || state.gatewayRestarts.isLost) state.phase = 'recovering';
    else if (step.phase) state.phase = step.phase;
    else if (state.phase !== 'ready') state.phase = 'starting';
  }

  private settle(): number {
    const { state } = this;
    state.phase = 'ready';
    state.detail = 'The database is ready';
    state.trouble = null;
    this.#failures = 0;
    return TICK;
  }

  private async destroy(): Promise<number> {
    this.state.phase = 'destroying';
    await this.endWatch();
    await destroyEverything(this.state);
    this.#gone = true;
    this.#stopped = true;
    return 0;
  }

  /** A keeper that was killed may have left a server that was to be thrown away. */
  private tidy(): void {
    const { journal, jobs, context } = this.state;
    jobs
      .run('', 'tidy', () => removeScratch(journal))
      .catch((error: unknown) => {
        if (!this.#stopped)
          context.log.error(
            { cluster: journal.record.id, err: error },
            'what an earlier keeper left could not be removed',
          );
      });
  }

  private async endWatch(): Promise<void> {
    this.#end.abort();
    // A server that answers no more must not keep the cluster from being destroyed.
    const work = Promise.all([this.#watching, this.state.jobs.settled(), this.state.uploads.settled()]);
    await Promise.race([work, sleep(WATCH_END_MS, undefined, { ref: false })]);
  }

  private fail(error: EngineError): number {
    const { state } = this;
    const { id, born, wanted } = state.journal.record;
    state.trouble = error;
    state.detail = `${error.message} It is tried again.`;
    if (wanted === 'present') state.phase = born ? 'recovering' : 'failed';
    state.context.log.error({ cluster: id, err: error }, 'a step failed and is tried again');
    return Math.min(LONGEST_PAUSE, 250 * 2 ** this.#failures++);
  }

  private notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
