import { applyAgain, carryOver, carrySettings, openWayBack, type ServerSpec, subscribe } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';
import { feedingOf } from './subscribed.js';

/** Sessions are held meanwhile. */
const VIEW_SECONDS = 10;
/** Each takes a few connections to both servers. */
const AT_ONCE = 8;

/** Has the next server get what is not replicated. Nobody writes to the source. */
export async function carry(source: ServerSpec, next: ServerSpec, databases: readonly string[]): Promise<void> {
  await carrySettings(source, next);
  for (let at = 0; at < databases.length; at += AT_ONCE) {
    const some = databases.slice(at, at + AT_ONCE);
    await Promise.all(some.map((database) => carryOver(source, next, database, { viewSeconds: VIEW_SECONDS })));
  }
}

/** Goes on with feeding the next server where an earlier `carry` came to nothing. */
export async function feedAgain(next: ServerSpec, databases: readonly string[]): Promise<void> {
  for (const database of databases) await applyAgain(next, database);
}

/**
 * Makes sure that the former server is fed with what is written to the primary: begun, where that has not, and gone on with where a keeper died
 * over it or a way back came to nothing.
 */
export async function feedFormer(
  primary: ServerSpec,
  former: ServerSpec,
  database: string,
  file: string,
): Promise<void> {
  const feeding = await feedingOf(former, database);
  if (feeding === 'fed') return;
  if (feeding === 'stopped') return applyAgain(former, database);
  await openWayBack(former, database);
  await subscribe(primary, former, database, { passwordFile: file, copyRows: false });
}

/** True where the former server is to be kept for a way back. */
export function isRevertible({ context: { options } }: ClusterState): boolean {
  return (options.majorRevertSeconds ?? 0) > 0;
}
