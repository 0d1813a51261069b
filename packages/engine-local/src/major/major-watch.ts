import { setTimeout as sleep } from 'node:timers/promises';
import { isServerAlive, SyncLost } from '@borealis/postgres';
import type { ClusterState } from '../cluster/state.js';
import { toEngineError } from '../errors.js';
import { announceMajor } from './announce.js';
import { keepFormer } from './former-server.js';
import type { MajorMove } from './major-record.js';
import { archiveNext, makeNext } from './make-next.js';
import { rehearse } from './rehearse.js';
import { undoMove } from './undo.js';

const LOOK_MS = 1000;
const STAGE_MS = 200;
const LONGEST_PAUSE_MS = 60_000;
/** So often in a row something may fail before the upgrade is given up. */
const ATTEMPTS = 5;

/**
 * Does what takes long of a change of the major, until `signal` says so: the rehearsal, the copy, what is to be undone; and keeps the former server.
 * The cut-over is a step of the cluster's loop. Everything is adopt-or-create: a keeper that is killed leaves it to the next.
 */
export async function watchMajor(state: ClusterState, signal: AbortSignal): Promise<void> {
  const watch = new MajorWatch(state, signal);
  while (!signal.aborted) await sleep(await watch.look(), undefined, { signal }).catch(() => undefined);
}

class MajorWatch {
  #failures = 0;

  constructor(
    private readonly state: ClusterState,
    private readonly signal: AbortSignal,
  ) {}

  /** Does what is due; gives the milliseconds until the next look. */
  async look(): Promise<number> {
    const { state, signal } = this;
    const { major: move, former } = state.journal.record;
    if (!(await isUsable(state))) return LOOK_MS;
    try {
      if (move) await this.#advance(move);
      else if (former) await keepFormer(state, signal);
      this.#failures = 0;
      return LOOK_MS;
    } catch (error) {
      if (signal.aborted) return 0;
      return this.#note(error, move);
    }
  }

  async #advance(move: MajorMove): Promise<void> {
    const { state } = this;
    if (move.stage === 'undoing') return undoMove(state, move);
    if (move.stage === 'switching' && move.kind === 'upgrade') return archiveNext(state, move);
    if (move.stage === 'rehearsing') {
      const findings = await this.#within(move, (signal) => rehearse(state, move, signal));
      if (findings.length > 0) return this.#giveUp(move, findings);
      await announceMajor(state, move);
      return this.#enter(move, 'copying', {});
    }
    if (move.stage !== 'copying') return;
    const findings = await this.#within(move, (signal) => makeNext(state, move, signal));
    if (findings.length > 0) return this.#giveUp(move, findings);
    const closeAfter = new Date(Date.now() + move.patienceSeconds * 1000).toISOString();
    await this.#enter(move, 'switching', { closeAfter: move.closeAfter ?? closeAfter });
  }

  /** Ends the work as soon as the record says that something else is to be done. */
  async #within<T>(move: MajorMove, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ending = new AbortController();
    const looks = setInterval(() => {
      if (this.state.journal.record.major?.stage !== move.stage) ending.abort(new Error('The upgrade is cancelled.'));
    }, STAGE_MS);
    try {
      return await work(AbortSignal.any([this.signal, ending.signal]));
    } finally {
      clearInterval(looks);
    }
  }

  async #enter(move: MajorMove, stage: MajorMove['stage'], more: Partial<MajorMove>): Promise<void> {
    await this.state.journal.update(({ major }) => ({
      major: major?.request === move.request && major.stage === move.stage ? { ...major, ...more, stage } : major,
    }));
    this.state.wake();
  }

  #giveUp(move: MajorMove, findings: string[]): Promise<void> {
    return this.#enter(move, 'undoing', { findings });
  }

  async #note(error: unknown, move: MajorMove | null): Promise<number> {
    const { journal, context } = this.state;
    if (move && journal.record.major?.stage !== move.stage) return 0;
    context.log.error({ cluster: journal.record.id, err: error }, 'a change of the major goes on later');
    this.#failures++;
    const isOver = move && (move.stage === 'rehearsing' || move.stage === 'copying');
    if (isOver && (error instanceof SyncLost || this.#failures >= ATTEMPTS)) {
      this.#failures = 0;
      await this.#giveUp(move, [toEngineError(error).message]).catch(() => undefined);
    }
    return Math.min(LONGEST_PAUSE_MS, LOOK_MS * 2 ** this.#failures);
  }
}

/** True when the primary can be worked with. */
async function isUsable({ phase, server, configured, configurationLoaded }: ClusterState): Promise<boolean> {
  return phase === 'ready' && configured && configurationLoaded && server !== null && (await isServerAlive(server));
}
