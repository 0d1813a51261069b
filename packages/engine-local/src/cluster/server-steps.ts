import { rm, stat, symlink } from 'node:fs/promises';
import {
  applyRoles,
  connect,
  createDataDirectory,
  findServer,
  reload,
  StartTimeout,
  startServer,
} from '@borealis/postgres';
import { generateArchiveKey, isArchived } from '../archive/archive-of.js';
import { isAtEndOfLog } from '../copies/left-log.js';
import { adoptOrigin, copyOrigin } from '../copies/origin-steps.js';
import { pendingLog, withLog } from '../copies/past.js';
import { pendingOrigin } from '../copies/pending-origin.js';
import { traversable } from '../home/home.js';
import { ensureNodeDirectories } from '../nodes/directories.js';
import { configurePrimary } from '../nodes/node-spec.js';
import { fenceOthers, promotePrimary, takeOver } from '../nodes/take-over.js';
import { noteFailedStart } from '../rebuild/damage-watch.js';
import { finishRebuild, replaceData } from '../rebuild/rebuild-steps.js';
import { clusterRelease } from '../releases/cluster-release.js';
import { replaceLostRelease } from '../releases/lost-release.js';
import { revertFailedStart } from '../restart/failed-start.js';
import { versionToStart } from '../restart/version-to-start.js';
import { ensureDirectory } from '../system/files.js';
import { ensureOsUser } from '../system/os-users.js';
import { takeBackChange } from './change-spec.js';
import { announceRecovery } from './recovery.js';
import { serverSpec, wantedAccess } from './server-spec.js';
import type { ClusterState } from './state.js';
import type { Step } from './step.js';

const START_SECONDS = 30;
/** Sessions wait for it, and not for long: then it is started as before. */
const PLANNED_START_SECONDS = 15;

const fetchRelease: Step = {
  phase: 'fetching',
  detail: 'Fetching the PostgreSQL release',
  isDone: (state) => state.release?.version === versionToStart(state.journal.record),
  async run(state) {
    await replaceLostRelease(state);
    const version = versionToStart(state.journal.record);
    const onProgress = (sentence: string) => {
      state.detail = sentence;
    };
    state.release = await clusterRelease(state, version, onProgress);
  },
};

const makeUsers: Step = {
  phase: 'creating',
  detail: 'Creating the system users of the cluster',
  isDone: (state) => state.users !== null || state.journal.record.osUsers === null,
  async run(state) {
    const { postgres, gateway } = state.journal.record.osUsers!;
    state.users = { postgres: await ensureOsUser(postgres), gateway: gateway ? await ensureOsUser(gateway) : null };
  },
};

/** Clusters made by an earlier version have none. */
const makeArchiveKey: Step = {
  phase: null,
  detail: 'Preparing the archive',
  isDone: ({ journal: { record } }) => record.archiveKey !== null || !isArchived(record),
  async run(state) {
    await state.journal.update(() => ({ archiveKey: generateArchiveKey() }));
  },
};

const makeDirectories: Step = {
  phase: 'creating',
  detail: 'Creating the directories of the cluster',
  isDone: (state) => state.directoriesReady,
  async run(state) {
    const { paths } = state.journal;
    const { postgres, gateway } = state.users ?? {};
    await ensureDirectory(paths.directory, traversable());
    await ensureNodeDirectories(state, paths);
    if (state.journal.record.archiveKey) {
      await ensureDirectory(paths.walSpool, 0o700, postgres);
      await ensureDirectory(paths.archive, 0o700);
    }
    if (state.journal.record.gateway) {
      await ensureDirectory(paths.gateway, 0o700, gateway ?? undefined);
      await rm(paths.gatewayLink, { force: true });
      await symlink(paths.gateway, paths.gatewayLink);
    }
    state.directoriesReady = true;
  },
};

const makeDataDirectory: Step = {
  phase: 'creating',
  detail: 'Creating the database cluster',
  isDone: (state) => state.dataReady,
  async run(state) {
    const { record, paths } = state.journal;
    // An empty cluster in the place of lost data would look healthy: that is for a person to decide.
    if (record.born && !(await stat(paths.data).catch(() => null)))
      throw new Error(`The data directory ${paths.data} is gone; put it back, or destroy the cluster.`);
    await createDataDirectory(serverSpec(state));
    state.dataReady = true;
  },
};

const configure: Step = {
  phase: 'starting',
  detail: 'Writing the configuration of PostgreSQL',
  isDone: (state) => state.configured,
  async run(state) {
    if (await configurePrimary(state)) state.configurationLoaded = false;
    state.configured = true;
  },
};

/** A step of its own, because what one look has written another may have to load: after a failure, or after a keeper that died in between. */
const loadConfiguration: Step = {
  phase: 'starting',
  detail: 'Waiting for PostgreSQL to take over its configuration',
  isDone: (state) => state.configurationLoaded,
  async run(state) {
    await reload(serverSpec(state));
    state.configurationLoaded = true;
  },
};

const startPostgres: Step = {
  phase: 'starting',
  detail: 'Waiting for the database to accept connections',
  isDone: (state) => state.server !== null,
  wait: (state) => state.serverRestarts.wait(Date.now()),
  async run(state) {
    // In short turns, so that a destroy does not wait for a long crash recovery: the next look adopts the server.
    const spec = serverSpec(state);
    const log = await pendingLog(state);
    const isNew = !(await findServer(spec));
    const isPlanned = state.journal.record.next?.stage === 'switching';
    const start = () => startServer(spec, { seconds: isPlanned ? PLANNED_START_SECONDS : START_SECONDS });
    try {
      state.server = log ? await withLog(state, log, start) : await start();
    } catch (error) {
      if (await revertFailedStart(state, error)) return;
      if (isAtEndOfLog(state, error)) return endLog(state);
      if (!(error instanceof StartTimeout) && (await takeBackChange(state, error))) {
        state.configured = false;
        return;
      }
      await noteFailedStart(state, error);
      // A long log takes as long as it takes; the next turn goes on with it.
      if (log && error instanceof StartTimeout) return;
      throw error;
    }
    state.damages = 0;
    if (isNew) state.configurationLoaded = true;
    state.restart.startedBy = isNew ? versionToStart(state.journal.record) : null;
    state.serverRestarts.started(Date.now());
    const { record } = state.journal;
    if (!record.born && !pendingOrigin(record)) await state.journal.update(() => ({ born: true }));
    if (state.serverRestarts.recovered()) await announceRecovery(state, 'PostgreSQL was restarted');
  },
};

function endLog(state: ClusterState): void {
  state.logEnded = true;
  state.configured = false;
}

/** How soon a dropped role is tried again whose objects were locked, and how often all grants are put right. */
const PENDING_ROLES_MS = 60_000;
const SWEEP_MS = 6 * 3_600_000;

const applyAccessToPostgres: Step = {
  phase: null,
  detail: 'Applying roles and databases',
  isDone: ({ rolesRevision, rolesDueAt, journal: { record } }) =>
    !record.access || (rolesRevision >= record.access.revision && Date.now() < rolesDueAt),
  async run(state) {
    const { record } = state.journal;
    const access = record.access!;
    const spec = serverSpec(state);
    if (await configurePrimary(state)) state.configurationLoaded = false;
    if (!state.configurationLoaded) await loadConfiguration.run(state);
    if (Date.now() >= state.sweepDueAt) {
      state.applied.clear();
      state.sweepDueAt = Date.now() + SWEEP_MS;
    }
    const connectTo = (database: string) => connect(spec, database);
    const { pending } = await applyRoles(connectTo, wantedAccess(state), state.applied);
    state.rolesRevision = access.revision;
    state.rolesDueAt = pending.length > 0 ? Date.now() + PENDING_ROLES_MS : state.sweepDueAt;
  },
};

/** From nothing to a PostgreSQL that runs by the access document, in order. */
export const SERVER_STEPS: readonly Step[] = [
  fetchRelease,
  makeUsers,
  makeArchiveKey,
  makeDirectories,
  takeOver,
  fenceOthers,
  copyOrigin,
  replaceData,
  makeDataDirectory,
  configure,
  startPostgres,
  promotePrimary,
  finishRebuild,
  loadConfiguration,
  adoptOrigin,
  applyAccessToPostgres,
];
