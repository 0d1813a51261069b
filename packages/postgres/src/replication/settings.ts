import type { Following, ServerSpec } from '../server/spec.js';

/** The settings by which a server feeds standbys or follows another one. */
export function replicationSettings({ synchronousWith = [], follows }: ServerSpec): Record<string, string> {
  const names = synchronousWith.join(', ');
  return {
    // All of them: whichever is promoted then has every commit that was acknowledged.
    synchronous_standby_names: names === '' ? '' : `FIRST ${synchronousWith.length} (${names})`,
    ...(follows ? followingSettings(follows) : {}),
  };
}

function followingSettings({ socketDirectory, port, role, passwordFile, name }: Following): Record<string, string> {
  const connection = {
    host: socketDirectory,
    port: String(port),
    user: role,
    passfile: passwordFile,
    application_name: name,
    connect_timeout: '10',
  };
  return {
    primary_conninfo: Object.entries(connection)
      .map(([key, value]) => `${key}=${quoted(value)}`)
      .join(' '),
    primary_slot_name: name,
    // A query on the standby is not ended because the primary cleans up what it still reads.
    hot_standby_feedback: 'on',
    // The primary may be another server by then: it is looked for often.
    wal_retrieve_retry_interval: '200ms',
    wal_receiver_status_interval: '1s',
  };
}

/** As libpq reads a value. */
function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
