import { connect, pendingSettings, reload, type ServerSpec, stopServer } from '@borealis/postgres';
import { configurePrimary } from '../nodes/node-spec.js';
import { serverSpec } from './server-spec.js';
import type { ClusterState } from './state.js';
import type { Step } from './step.js';

const STOP_SECONDS = 60;

/** Brings a changed specification into the running server, by a restart where only that does; the step that starts it comes earlier. */
const runBySpec: Step = {
  phase: null,
  detail: 'Giving PostgreSQL its new size',
  isDone: ({ journal: { record } }) => record.change === null,
  async run(state) {
    const { spec } = state.journal.record;
    const server = serverSpec(state);
    if (await configurePrimary(state)) state.configurationLoaded = false;
    if (!state.configurationLoaded) await reload(server);
    state.configurationLoaded = true;
    if ((await pendingSettings(server)).length > 0) return stopToRestart(state, server);
    // Another change may have been asked for meanwhile: that one is not through.
    await state.journal.update((record) => (record.spec === spec ? { change: null } : {}));
  },
};

async function stopToRestart(state: ClusterState, server: ServerSpec): Promise<void> {
  if (!state.server) return;
  await flush(server);
  // It comes back: no standby is to take its place.
  state.mayStartPrimary = true;
  await stopServer(state.server, { mode: 'fast', seconds: STOP_SECONDS });
  state.server = null;
}

/** The second checkpoint has only what was written during the first: the stop, which nobody can be served in, is short. */
async function flush(server: ServerSpec): Promise<void> {
  const client = await connect(server);
  try {
    await client.query('checkpoint');
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}

/** From a cluster that serves its clients to one that does so in the size that its specification says. */
export const SPEC_STEPS: readonly Step[] = [runBySpec];
