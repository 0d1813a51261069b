import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type ClusterState, type Engine, EngineError, type EngineErrorCode } from './engine.js';

/** Milliseconds that anything may take on a busy machine. */
export const GENEROUS = 300_000;

/** Waits until the cluster is ready; throws with what it says of itself when that takes too long. */
export function untilReady(engine: Engine, id: string): Promise<ClusterState> {
  return untilSo(engine, id, () => true);
}

/** The same for one that was to be changed, which then runs by its specification. */
export function untilChanged(engine: Engine, id: string): Promise<ClusterState> {
  return untilSo(engine, id, (state) => state.specInForce);
}

async function untilSo(engine: Engine, id: string, isSo: (state: ClusterState) => boolean): Promise<ClusterState> {
  const end = Date.now() + GENEROUS;
  for (;;) {
    const state = await engine.cluster(id);
    if (state?.phase === 'ready' && isSo(state)) return state;
    if (Date.now() > end) throw new Error(`the cluster "${id}" is not ready: ${state?.phase}, ${state?.detail}`);
    await sleep(100);
  }
}

/** Throws unless the call is refused with that code and those details. */
export async function rejects(call: Promise<unknown>, code: EngineErrorCode, details: string[] = []): Promise<void> {
  await assert.rejects(
    call,
    (error) => error instanceof EngineError && error.code === code && isDeepStrictEqual(error.details, details),
  );
}
