import { constants } from 'node:os';
import { QuietExit } from './quiet-exit.js';

/**
 * Makes `handler` the only one for these signals and returns the way back. The CLI around us has handlers of its
 * own that would end the process in the middle of what has to be cleaned up.
 */
export function takeSignals(signals: NodeJS.Signals[], handler: (signal: NodeJS.Signals) => void): () => void {
  const before = signals.map((signal) => ({ signal, listeners: process.rawListeners(signal) }));
  for (const signal of signals) {
    process.removeAllListeners(signal);
    process.on(signal, handler);
  }
  return () => {
    for (const { signal, listeners } of before) {
      process.off(signal, handler);
      for (const listener of listeners) process.on(signal, listener as () => void);
    }
  };
}

/** The exit code a shell reports for a process that this signal ended. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/**
 * Until `release`, Ctrl+C and its like do not end the process but reject `interrupted` with the right exit code, so
 * that everything between here and the CLI can clean up on the way out.
 */
export function holdInterruptions(): { interrupted: Promise<never>; release: () => void } {
  let interrupt: (reason: QuietExit) => void = () => {};
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = reject;
  });
  interrupted.catch(() => {}); // before anybody waits for it, it must not be an unhandled rejection
  const release = takeSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) =>
    interrupt(new QuietExit(signalExitCode(signal))),
  );
  return { interrupted, release };
}
