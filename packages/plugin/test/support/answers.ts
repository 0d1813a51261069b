/** Answers of the add-on API, as the contract has them. */

export const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN51brpKPSIcgwlDjaW9KBqU+YqjJRBVxGdlHS+8OzIE';
export const HSTORE = { name: 'hstore', schema: 'hstore', version: '1.8' };
export const INTEGRATION = {
  name: 'etl',
  dbUsername: 'di_ro_etl',
  sshUsername: 'di-uvwxyz098765',
  writeAccess: false,
  createdAt: '2026-03-05T15:05:17.485Z',
};
export const REGISTERED = {
  dbHost: 'primary.c1.borealis.internal',
  dbPort: 5432,
  dbName: 'dabcdef123456',
  dbUsername: 'di_ro_etl',
  dbPassword: 'PwA-22SDAbUk86wxeMapPJRfkuRmVCS6',
  sshHost: '127.1.2.3',
  sshPort: 22,
  sshUsername: 'di-uvwxyz098765',
  publicSshHostKey: 'ssh-ed25519 AAAAC3Nza',
};
export const USERS = [
  { displayName: null, readOnlyUsername: 'app_ro_1', readWriteUsername: 'app_rw_1', userType: 'app' },
  { displayName: 'me@example.com', readOnlyUsername: 'p_ro_2', readWriteUsername: 'p_rw_2', userType: 'personal' },
];
export const RESTORABLE = {
  cloneSupported: true,
  restoreSupported: true,
  earliestRestorableTime: '2026-02-26T15:05:17.000001Z',
  latestRestorableTime: '2026-03-05T15:05:17.485123Z',
};
export const GONE = { success: true };

export function ok(body: unknown): { status: number; body: unknown } {
  return { status: 200, body };
}
