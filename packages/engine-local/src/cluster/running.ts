import { findServer, type OsUser, type ServerIdentity } from '@borealis/postgres';
import { findGateways } from '../gateway/process.js';
import { findOsUser } from '../system/os-users.js';
import type { ProcessIdentity } from '../system/process-identity.js';
import type { ClusterJournal } from './record.js';

/** The cluster's gateways among all processes, whether or not this keeper has met them yet: several while one takes over from another. */
export async function findRunningGateways({ record, paths }: ClusterJournal): Promise<ProcessIdentity[]> {
  const name = record.osUsers?.gateway;
  if (!record.gateway) return [];
  return (await ownUser(name, (user) => findGateways(paths.gatewayLink, user))) ?? [];
}

/** The PostgreSQL of the cluster's primary, whether or not this keeper has met it yet. */
export async function findRunningServer({ record, paths }: ClusterJournal): Promise<ServerIdentity | null> {
  return ownUser(record.osUsers?.postgres, (os) => findServer({ dataDirectory: paths.data, os }));
}

/** A user that was never made, or is removed already, runs nothing. Without users of their own all run as the keeper's. */
export async function ownUser<T>(
  name: string | null | undefined,
  find: (user: OsUser | null) => Promise<T | null>,
): Promise<T | null> {
  if (!name) return find(null);
  const user = await findOsUser(name);
  return user && find(user);
}
