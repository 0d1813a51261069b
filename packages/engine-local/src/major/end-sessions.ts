import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ServerSpec } from '@borealis/postgres';

const PATIENCE_MS = 5000;
const LOOK_MS = 5;

/** Ends the sessions of everybody but the superuser, and returns when none is left. The server must let nobody else in any more. */
export async function endSessions(spec: ServerSpec): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  const client = await connect(spec);
  try {
    for (;;) {
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where backend_type = 'client backend' and usename <> $1`,
        [spec.superuser.name],
      );
      if (rowCount === 0) return;
      if (Date.now() > deadline) throw new Error('Sessions of the present server do not end.');
      await sleep(LOOK_MS);
    }
  } finally {
    await client.end();
  }
}
