import { setTimeout as sleep } from 'node:timers/promises';
import { missingFiles } from '../archive/wal-gaps.js';
import { isHistory, parseSegment } from '../archive/wal-names.js';
import type { ClusterState } from '../cluster/state.js';
import { BASE_POLICY, isDue, superfluous } from '../copies/base-policy.js';
import { type Base, listBases } from '../copies/bases.js';
import { Mutex } from '../system/mutex.js';
import { backupOf } from './backup-of.js';
import { type ClusterBackup, walObject } from './cluster-backup.js';
import { listStoredBases, nameOf, putBase, removeStoredBase, type StoredBase } from './stored-bases.js';

const LOOK_MS = 5000;
/** Without a reason the store itself is looked at so often: each look is a few requests. */
const LOOK_AT_STORE_MS = 3_600_000;

/** One base at a time in the whole process: the disk is the tenants'. */
const putting = new Mutex();

/**
 * Brings bases of a cluster into the store, one a day as where each takes its whole size, and removes those that are not needed with their
 * WAL, until `signal` says so.
 */
export async function watchStoredBases(state: ClusterState, signal: AbortSignal): Promise<void> {
  let lookedAt = 0;
  while (!signal.aborted) {
    // What is wrong with the store the other watch tells, which comes there more often.
    if (state.directoriesReady && (Date.now() - lookedAt > LOOK_AT_STORE_MS || (await isNewWanted(state))))
      lookedAt = await look(state, signal).then(
        () => Date.now(),
        (error: unknown) => {
          const cluster = state.journal.record.id;
          if (!signal.aborted) state.context.log.warn({ cluster, err: error }, 'a base is not in the store yet');
          return 0;
        },
      );
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** True when there is a base that the store should have, as far as is known here. */
async function isNewWanted(state: ClusterState): Promise<boolean> {
  const [newest, last] = [(await listBases(state.journal.paths.bases)).at(-1), state.storedBases?.at(-1)];
  if (!newest || !last) return newest !== undefined || state.storedBases === null;
  return newest.stoppedAt > last.stoppedAt && isLate(state, last);
}

async function look(state: ClusterState, signal: AbortSignal): Promise<void> {
  const backup = backupOf(state);
  const local = await listBases(state.journal.paths.bases);
  const { bases, unfinished } = await listStoredBases(backup);
  state.storedBases = bases;
  const wanted = await wantedBase(state, backup, local, bases, unfinished);
  for (const name of unfinished) if (!wanted || name !== nameOf(wanted)) await removeStoredBase(backup, name);
  if (wanted) {
    await putting.run(() => putBase(backup, wanted, signal));
    state.context.log.info({ cluster: state.journal.record.id, base: nameOf(wanted) }, 'a base is in the store');
  }
  state.storedBases = await tidy(state, backup);
}

/** The local base that is to come into the store now; one that is there in parts goes first. Null when there is nothing to do. */
async function wantedBase(
  state: ClusterState,
  backup: ClusterBackup,
  local: readonly Base[],
  stored: readonly StoredBase[],
  unfinished: readonly string[],
): Promise<Base | null> {
  const begun = local.findLast((base) => unfinished.includes(nameOf(base)));
  if (begun) return begun;
  const [newest, last] = [local.at(-1), stored.at(-1)];
  if (!newest) return null;
  if (!last) return newest;
  if (newest.stoppedAt <= last.stoppedAt) return null;
  return isLate(state, last) || (await hasGap(backup, last)) ? newest : null;
}

/** In a store each base takes its whole size, however it was made. */
function isLate(state: ClusterState, last: StoredBase): boolean {
  return isDue({ ...last, method: 'plain' }, { ...BASE_POLICY, ...state.context.options.bases }, Date.now());
}

/** True when WAL since that base is missing, as after a long time without the store: nothing later can be made from it. */
async function hasGap(backup: ClusterBackup, { firstSegment }: StoredBase): Promise<boolean> {
  const names = await backup.walNames();
  return (await missingFiles(names, firstSegment, (name) => backup.text(walObject(name)))).length > 0;
}

/** As with local bases: those that are not needed go, and then the WAL before the oldest. The newest always stays. Gives what is left. */
async function tidy(state: ClusterState, backup: ClusterBackup): Promise<StoredBase[]> {
  const policy = { ...BASE_POLICY, ...state.context.options.bases };
  const { bases } = await listStoredBases(backup);
  const gone = superfluous(
    bases.map((base) => ({ ...base, method: 'plain' as const })),
    policy,
    Date.now(),
  );
  for (const { name } of gone) await removeStoredBase(backup, name);
  const left = bases.filter(({ name }) => !gone.some((base) => base.name === name));
  const [oldest] = left;
  if (!oldest) return left;
  const { number } = parseSegment(oldest.firstSegment);
  const before = (name: string) => !isHistory(name) && parseSegment(name).number < number;
  for (const name of (await backup.walNames()).filter(before)) await backup.remove(walObject(name));
  return left;
}
