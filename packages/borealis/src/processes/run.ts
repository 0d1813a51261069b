import { explain } from '../failure.js';

/** What a supervised process has to bring: how it starts, and how it ends when its parent says so. */
interface Running {
  stop(): Promise<void>;
}

interface Frame {
  /** Told to stop in the midst of its start, it finishes the start first: there is something that only it can stop. */
  finishStart?: boolean;
}

/**
 * The frame of every supervised process: says `ready` to the supervisor, ends on its word or on SIGTERM, and also when the
 * supervisor itself is gone (the clusters it started live on and are adopted by the next one).
 */
export async function runProcess(start: () => Promise<Running>, { finishStart = false }: Frame = {}): Promise<void> {
  let running: Running | undefined;
  let told = false;
  let ending = false;
  const end = (): void => {
    told = true;
    if (ending) return;
    if (!running && !finishStart) process.exit(0);
    if (!running) return;
    ending = true;
    running.stop().then(
      () => process.exit(0),
      (error) => {
        console.error(explain(error) ?? error);
        process.exit(1);
      },
    );
  };
  // Ctrl+C reaches the whole group; the supervisor decides in which order its processes end.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGTERM', end);
  process.on('message', (message: { stop?: true }) => {
    if (message.stop) end();
  });
  process.on('disconnect', () => process.exit(0));
  try {
    running = await start();
  } catch (error) {
    const sentence = explain(error) ?? (error instanceof Error ? error.message : String(error));
    process.send?.({ failed: sentence }, undefined, undefined, () => process.exit(1));
    return;
  }
  if (told) end();
  else process.send?.({ ready: true }, undefined, undefined, () => {});
}
