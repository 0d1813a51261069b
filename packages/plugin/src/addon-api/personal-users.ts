import { personalDbUser, personalSshUser, Secret } from '@borealis/contract';
import { z } from 'zod';
import type { HostKey } from '../tunnel/host-key.js';
import { parseHostKey } from '../tunnel/host-key.js';
import type { AddonApi } from './client.js';

/** How to log in to the SSH server of the add-on's cluster. */
export interface SshAccess {
  host: string;
  port: number;
  username: string;
  privateKey: Secret;
  hostKey: HostKey;
}

/** How to log in to the database, with the host and port that the SSH server knows it by. */
export interface DatabaseAccess {
  host: string;
  port: number;
  name: string;
  username: string;
  password: Secret;
}

/** A certificate authority in PEM comes with the answers of our service; the original's have none. */
export interface WithCa {
  ca: string | undefined;
}

// The original leaves out ports that are the protocol's own.
const sshAnswer = personalSshUser.extend({ sshPort: z.number().default(22) });
const databaseAnswer = personalDbUser.extend({ dbPort: z.number().default(5432) });

/** Makes the user's SSH key for one session; the one before stops working. */
export async function createSshUser(api: AddonApi): Promise<SshAccess & WithCa> {
  const user = await api.request('POST', '/personal-ssh-users', sshAnswer);
  return {
    host: user.sshHost,
    port: user.sshPort,
    username: user.sshUsername,
    privateKey: new Secret(user.sshPrivateKey),
    hostKey: parseHostKey(user.publicSshHostKey),
    ca: user.caCertificate,
  };
}

/** Makes the user's database password for one session; the one before stops working. */
export async function createDatabaseUser(api: AddonApi, writeAccess: boolean): Promise<DatabaseAccess & WithCa> {
  const body = { enableWriteAccess: writeAccess };
  const user = await api.request('POST', '/personal-db-users', databaseAnswer, { body });
  return {
    host: user.dbHost,
    port: user.dbPort,
    name: user.dbName,
    username: user.dbUsername,
    password: new Secret(user.dbPassword),
    ca: user.caCertificate,
  };
}
