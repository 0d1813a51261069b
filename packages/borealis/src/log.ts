import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { destination, type Logger, pino } from 'pino';

const LIMIT = 10 * 1024 * 1024;

/** Keeps one older file beside the current one, so that logs never outgrow twice the limit of 10 MiB. */
function rotate(file: string): void {
  try {
    if (statSync(file).size > LIMIT) renameSync(file, `${file}.1`);
  } catch {
    // No log yet.
  }
}

/** The JSON log of one process, in `$BOREALIS_HOME/logs`, readable by its owner only. */
export function openLog(home: string, name: string): Logger {
  const directory = join(home, 'logs');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, `${name}.log`);
  rotate(file);
  const stream = destination({ dest: file, mkdir: false, mode: 0o600, sync: true });
  const timer = setInterval(() => {
    rotate(file);
    stream.reopen();
  }, 60_000);
  timer.unref();
  return pino({ name, base: { name, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}
