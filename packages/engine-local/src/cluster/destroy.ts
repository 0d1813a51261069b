import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stopServer } from '@borealis/postgres';
import { removeScratch } from '../backups/scratch.js';
import { stopStandbys } from '../nodes/node-servers.js';
import { forgetBackup } from '../store/store-removals.js';
import { removeOsUser } from '../system/os-users.js';
import { stopGateways } from './gateways.js';
import { findRunningServer } from './running.js';
import type { ClusterState } from './state.js';

/**
 * Removes every trace of the cluster: gateway, PostgreSQL, their files, their users, the record last. Killed at any line, it is
 * begun again from the record and finds less to do.
 */
export async function destroyEverything(state: ClusterState): Promise<void> {
  const { record, paths } = state.journal;
  state.detail = 'Ending tunnels and sessions';
  if (record.gateway) {
    await stopGateways(state.journal);
    await state.spool.closeOpenTunnels('cluster destroyed', []);
  }
  state.detail = 'Stopping the database';
  const server = await findRunningServer(state.journal);
  if (server) await stopServer(server, { mode: 'immediate', seconds: 10 });
  await stopStandbys(state, 'immediate');
  for (const purpose of ['scratch', 'proof'] as const) await removeScratch(state.journal, purpose);
  state.detail = 'Removing the data';
  // Users before files: what still runs as one of them could write again.
  for (const name of [record.osUsers?.gateway, record.osUsers?.postgres]) if (name) await removeOsUser(name);
  for (const path of [paths.run, ...(await allBut(paths.record, paths.directory))])
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  await forgetBackup(state);
  await state.journal.remove();
}

/** Everything in the directory but the record, of which there has to be something until all else is gone. */
async function allBut(record: string, directory: string): Promise<string[]> {
  return (await readdir(directory)).map((name) => join(directory, name)).filter((path) => path !== record);
}
