import { explain } from '../failure.js';

/** What a supervised process has to bring: how it starts, and how it ends when its parent says so. */
interface Running {
  stop(): Promise<void>;
}

/**
 * The frame of every supervised process: says `ready` to the supervisor, ends on its word or on SIGTERM, and also when the
 * supervisor itself is gone (the clusters it started live on and are adopted by the next one).
 */
export async function runProcess(start: () => Promise<Running>): Promise<void> {
  // Ctrl+C reaches the whole group; the supervisor decides in which order its processes end.
  process.on('SIGINT', () => {});
  let running: Running;
  try {
    running = await start();
  } catch (error) {
    const sentence = explain(error) ?? (error instanceof Error ? error.message : String(error));
    process.send?.({ failed: sentence }, undefined, undefined, () => process.exit(1));
    return;
  }
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    running.stop().then(
      () => process.exit(0),
      (error) => {
        console.error(explain(error) ?? error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('message', (message: { stop?: true }) => {
    if (message.stop) end();
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ ready: true });
}
