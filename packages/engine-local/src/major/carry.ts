import { applyAgain, carryOver, carrySettings, openWayBack, type ServerSpec, subscribe } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';
import { isSubscribed } from './subscribed.js';

/** Sessions are held meanwhile. */
const VIEW_SECONDS = 10;

/** Has the next server get what is not replicated. Nobody writes to the source. */
export async function carry(source: ServerSpec, next: ServerSpec, databases: readonly string[]): Promise<void> {
  await carrySettings(source, next);
  await Promise.all(databases.map((database) => carryOver(source, next, database, { viewSeconds: VIEW_SECONDS })));
}

/** Goes on with feeding the next server where an earlier `carry` came to nothing. */
export async function feedAgain(next: ServerSpec, databases: readonly string[]): Promise<void> {
  for (const database of databases) await applyAgain(next, database);
}

/** Begins to feed the former server with what is written to the primary, if that has not begun. */
export async function feedFormer(
  primary: ServerSpec,
  former: ServerSpec,
  database: string,
  file: string,
): Promise<void> {
  if (await isSubscribed(former, database)) return;
  await openWayBack(former, database);
  await subscribe(primary, former, database, { passwordFile: file, copyRows: false });
}

/** True where the former server is to be kept for a way back. */
export function isRevertible({ context: { options } }: ClusterState): boolean {
  return (options.majorRevertSeconds ?? 0) > 0;
}
