import type { AddonApi } from './addon-api/client.js';
import { createDatabaseUser, createSshUser, type DatabaseAccess, type SshAccess } from './addon-api/personal-users.js';
import { configuredCa } from './settings.js';

/** All that one session with a database needs: the way in, who to be, and whom to trust. */
export interface Session {
  ssh: SshAccess;
  database: DatabaseAccess;
  /** The authority that signed the database's certificate, in PEM; undefined when nobody told it. */
  ca: string | undefined;
}

/** A session as the user's own database role. */
export function openPersonalSession(api: AddonApi, writeAccess: boolean): Promise<Session> {
  return openSession(api, createDatabaseUser(api, writeAccess));
}

/** A session as the app: the user's own way in, the app's credentials for the database. */
export function openAppSession(api: AddonApi, credentials: Promise<DatabaseAccess>): Promise<Session> {
  return openSession(api, credentials);
}

async function openSession(
  api: AddonApi,
  credentials: Promise<DatabaseAccess & { ca?: string | undefined }>,
): Promise<Session> {
  const [ssh, database] = await Promise.allSettled([createSshUser(api), credentials]);
  if (ssh.status === 'rejected') throw ssh.reason;
  if (database.status === 'rejected') throw database.reason;
  const ca = database.value.ca ?? ssh.value.ca ?? configuredCa();
  return { ssh: ssh.value, database: database.value, ca };
}
