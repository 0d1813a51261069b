import { setTimeout as sleep } from 'node:timers/promises';
import { connect, isArchiving } from '@borealis/postgres';
import { LATE_MS } from '../archive/archive-alarm.js';
import { archiveOf } from '../archive/archive-of.js';
import { takeSpooled } from '../archive/take-spooled.js';
import { isSegment } from '../archive/wal-names.js';
import { serverSpec } from '../cluster/server-spec.js';
import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { Alarm, type Trouble } from '../events/alarm.js';
import { removeBrokenData } from '../rebuild/broken-data.js';
import { Mutex } from '../system/mutex.js';
import { BASE_POLICY, type BasePolicy, isDue, superfluous } from './base-policy.js';
import { makeRoomForBase } from './base-room.js';
import { type Base, listBases, makeBase, removeBase, removeHalfMadeBases } from './bases.js';
import { removeFormerEras } from './eras.js';
import { isBeingCopied } from './source.js';

const LOOK_MS = 5000;
/** After failures the pauses double up to this: each attempt may copy for long in vain. */
const LONGEST_PAUSE_MS = 15 * 60_000;

const BASE_TROUBLE: Trouble = {
  failing: 'bases-failing',
  recovered: 'bases-recovered',
  noted: 'basesFailing',
  well: 'Bases are made again.',
};

/** One base at a time in the whole process: the disk is the tenants'. */
const making = new Mutex();

/**
 * Makes bases of a cluster as the policy asks and removes what it does not, with their log, until `signal` says so. Tells at once when there
 * is no room for one, and when another failure lasts longer than a minute.
 */
export async function watchBases(state: ClusterState, signal: AbortSignal): Promise<void> {
  // What cannot be removed now is in nobody's way: it counts as no base.
  await removeHalfMadeBases(state.journal.paths.bases).catch(() => undefined);
  const watch = new BaseWatch(state, signal);
  while (!signal.aborted) await sleep(await watch.look(), undefined, { signal }).catch(() => undefined);
}

class BaseWatch {
  #readySince: number | null = null;
  #failures = 0;
  #failingSince = 0;
  /** The base before which the log is gone, as far as this keeper has seen to it. */
  #prunedBefore = '';
  readonly #alarm: Alarm;

  constructor(
    private readonly state: ClusterState,
    private readonly signal: AbortSignal,
  ) {
    this.#alarm = new Alarm(state, BASE_TROUBLE);
  }

  /** Makes or removes what is due; gives the milliseconds until the next look. */
  async look(): Promise<number> {
    const { phase, server, journal } = this.state;
    const isReady = phase === 'ready' && server !== null && journal.record.accessInForce > 0;
    this.#readySince = isReady ? (this.#readySince ?? Date.now()) : null;
    if (this.#readySince === null) return LOOK_MS;
    try {
      await this.#keep({ ...BASE_POLICY, ...this.state.context.options.bases }, this.#readySince);
    } catch (error) {
      if (this.signal.aborted) return 0;
      return this.#note(error);
    }
    this.#failures = 0;
    await this.#tell(null);
    return LOOK_MS;
  }

  async #keep(policy: BasePolicy, readySince: number): Promise<void> {
    const { state, signal } = this;
    const directory = state.journal.paths.bases;
    const newest = (await listBases(directory)).at(-1);
    const due = newest ? isDue(newest, policy, Date.now()) : Date.now() - readySince >= policy.first * 1000;
    if (due && !(newest && (await isQuiet(state, newest))) && (await isArchived(state)))
      await making.run(async () => {
        await makeRoomForBase(state, policy);
        const { method, bytes } = await makeBase(directory, serverSpec(state), {
          signal,
          isArchived: (name) => isInArchive(state, name),
        });
        state.context.log.info({ cluster: state.journal.record.id, method, bytes }, 'a base was made');
      });
    if (isBeingCopied(state)) return;
    for (const base of superfluous(await listBases(directory), policy, Date.now())) await removeBase(directory, base);
    await this.#prune((await listBases(directory))[0]);
    const oldest = Date.now() - policy.keep * 1000;
    await removeBrokenData(state.journal.paths.broken, oldest);
    await removeFormerEras(state, oldest);
  }

  /** The log before the oldest base leads to no moment that can be restored. */
  async #prune(oldest: Base | undefined): Promise<void> {
    if (!oldest || oldest.directory === this.#prunedBefore) return;
    await archiveOf(this.state).prune(oldest.firstSegment);
    this.#prunedBefore = oldest.directory;
  }

  async #note(error: unknown): Promise<number> {
    const { message, code } = toEngineError(error);
    const cluster = this.state.journal.record.id;
    this.state.context.log.error({ cluster, err: error }, 'a base could not be made or removed; it is tried again');
    if (this.#failures++ === 0) this.#failingSince = Date.now();
    if (code === 'no_room' || Date.now() - this.#failingSince > LATE_MS) await this.#tell(message);
    return Math.min(LONGEST_PAUSE_MS, LOOK_MS * 2 ** Math.min(this.#failures, 10));
  }

  /** An alarm that cannot be kept now, since the disk is full, is tried again at the next look. */
  async #tell(failure: string | null): Promise<void> {
    await this.#alarm.tell(failure).catch((error: unknown) => {
      this.state.context.log.error({ cluster: this.state.journal.record.id, err: error }, 'trouble could not be told');
    });
  }
}

/**
 * True when hardly anything was written since: a base of now would save no replay. The base's own end takes up to two segments, and its
 * proof one. One that was found to be bad saves nothing.
 */
async function isQuiet(state: ClusterState, { firstSegment, stoppedAt }: Base): Promise<boolean> {
  const proof = state.journal.record.baseProof;
  if (proof?.base === stoppedAt && proof.failure !== null) return false;
  const names = (await archiveOf(state).names()).filter((name) => name !== proof?.segment);
  return names.filter((name) => isSegment(name) && name >= firstSegment).length <= 2;
}

/** What the server has removed of its log is there, or on its way: it removes nothing before. */
async function isInArchive(state: ClusterState, name: string): Promise<boolean> {
  const archive = archiveOf(state);
  await takeSpooled(archive);
  return archive.has(name);
}

/** Without the log since then a base is of no use. */
async function isArchived(state: ClusterState): Promise<boolean> {
  const spec = serverSpec(state);
  const client = await connect(spec);
  return isArchiving(client, spec).finally(() => client.end());
}
