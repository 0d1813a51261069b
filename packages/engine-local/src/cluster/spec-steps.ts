import { pendingSettings, reload, stopServer } from '@borealis/postgres';
import { configurePrimary } from '../nodes/node-spec.js';
import { followsSpec, haveRoom } from '../nodes/sizes.js';
import { resumePaused } from '../restart/held-sessions.js';
import { holdForRestart } from '../restart/hold-for-restart.js';
import { newRestartState } from '../restart/restart-state.js';
import { serverSpec } from './server-spec.js';
import type { ClusterState } from './state.js';
import type { Step } from './step.js';

const STOP_SECONDS = 60;
/** A standby is restarted in about this time. */
const STANDBYS_MS = 500;
/** How long open transactions are waited for; what is open for longer is closed. */
const PATIENCE_MS = 60_000;

/** Brings a changed specification into the running primary, by a restart where only that does; the step that starts it comes earlier. */
const runBySpec: Step = {
  phase: null,
  detail: 'Giving PostgreSQL its new size',
  isDone: ({ journal: { record } }) => record.change?.stage !== 'primary',
  wait: ({ restart }) => Math.max(0, restart.nextTryAt - Date.now()),
  async run(state) {
    const { spec } = state.journal.record;
    const server = serverSpec(state);
    if (await configurePrimary(state)) state.configurationLoaded = false;
    if (!state.configurationLoaded) await reload(server);
    state.configurationLoaded = true;
    if ((await pendingSettings(server)).length > 0) {
      if (await haveRoom(state)) return stopToRestart(state);
      state.restart.nextTryAt = Date.now() + STANDBYS_MS;
      return;
    }
    await resumePaused(state);
    state.restart = { ...newRestartState(), startedBy: state.restart.startedBy };
    // Another change may have been asked for meanwhile: that one is not through.
    await state.journal.update((record) =>
      record.spec === spec && record.change ? { change: { ...record.change, stage: 'standbys' } } : {},
    );
  },
};

/** Whoever looks after the standbys gives them the specification, too, and nobody waits for that here. */
const finishChange: Step = {
  phase: null,
  detail: 'Giving PostgreSQL its new size',
  isDone: (state) => state.journal.record.change?.stage !== 'standbys' || !followsSpec(state),
  async run(state) {
    await state.journal.update(({ change }) => (change?.stage === 'standbys' ? { change: null } : {}));
  },
};

async function stopToRestart(state: ClusterState): Promise<void> {
  if (!state.server) return;
  const { restart } = state;
  restart.patientUntil ??= Date.now() + PATIENCE_MS;
  const isLate = Date.now() >= restart.patientUntil;
  // When it is late, a gateway that cannot hold its sessions loses them, as with any restart.
  if (!(await holdForRestart(state, isLate)) && !isLate) return;
  restart.nextTryAt = 0;
  // It comes back: no standby is to take its place.
  state.mayStartPrimary = true;
  await stopServer(state.server, { mode: 'fast', seconds: STOP_SECONDS });
  state.server = null;
}

/** From a cluster that serves its clients to one that does so in the size that its specification says. */
export const SPEC_STEPS: readonly Step[] = [runBySpec, finishChange];
