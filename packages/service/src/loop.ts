import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Something that is done again and again until it is stopped. */
export interface Loop {
  /** Ends the pause at once. */
  wake(): void;
  /** Resolves when the turn that is under way has ended. */
  stop(): Promise<void>;
}

const AFTER_FAILURE_MS = 2_000;

/** Runs `turn` for ever; it returns the milliseconds to pause. A turn that throws is logged and repeated after two seconds. */
export function startLoop(name: string, log: Logger, turn: (stopping: AbortSignal) => Promise<number>): Loop {
  const stopping = new AbortController();
  let pause = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      // Made before the turn: a wake-up during the turn must not be lost.
      pause = new AbortController();
      const milliseconds = await turn(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error({ err: error }, `${name} failed and goes on`);
        return AFTER_FAILURE_MS;
      });
      if (!stopping.signal.aborted) await sleep(milliseconds, undefined, { signal: pause.signal }).catch(() => {});
    }
  })();
  return {
    wake: () => pause.abort(),
    stop: () => {
      stopping.abort();
      pause.abort();
      return running;
    },
  };
}

/** What comes of the work; null when the wait for it was ended first, which does not end the work. */
export async function untilStopped<T>(work: Promise<T>, stopping: AbortSignal): Promise<T | null> {
  if (stopping.aborted) {
    work.catch(() => undefined);
    return null;
  }
  const done = new AbortController();
  const aborted = once(stopping, 'abort', { signal: done.signal }).then(
    () => null,
    () => null,
  );
  // The listener must go with each wait: the signal lives as long as the service.
  return Promise.race([work, aborted]).finally(() => done.abort());
}
