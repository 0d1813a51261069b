import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLine } from '@borealis/contract';

/** How many lines of an app's log are kept, as at Heroku. */
export const KEPT_LINES = 1500;
const MAX_MESSAGE_CHARACTERS = 10_000;

export interface StoredLine {
  /** Rises by one with every line of the app since the platform started. */
  id: number;
  app: string;
  process: string;
  text: string;
}

type Listener = (line: StoredLine) => void;

class AppLog {
  lines: StoredLine[] = [];
  next = 1;
  /** Lines in the file, which holds more than are kept until it is rewritten. */
  written = 0;
  readonly listeners = new Set<Listener>();
}

/** The last 1500 lines of each app's log, in memory and, without a promise for the last ones before a crash, on disk. */
export class LogBook {
  readonly #directory: string;
  readonly #now: () => number;
  readonly #apps = new Map<string, AppLog>();

  constructor(directory: string, now: () => number) {
    this.#directory = directory;
    this.#now = now;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  append(appId: string, lines: readonly LogLine[]): void {
    const log = this.#log(appId);
    const added = lines.map(({ at, message, app = 'app', process = 'api' }) => {
      const time = at.toISOString().replace('Z', '000+00:00');
      const text = `${time} ${app}[${process}]: ${message.replaceAll(/[\r\n]+/g, ' ').slice(0, MAX_MESSAGE_CHARACTERS)}`;
      return { id: log.next++, app, process, text };
    });
    log.lines = [...log.lines, ...added].slice(-KEPT_LINES);
    this.#write(appId, log, added);
    for (const line of added) for (const listener of log.listeners) listener(line);
  }

  /** A line that the platform itself writes. */
  platformLine(appId: string, app: 'app' | 'heroku', process: string, message: string): void {
    this.append(appId, [{ at: new Date(this.#now()), app, process, message }]);
  }

  lines(appId: string): readonly StoredLine[] {
    return this.#log(appId).lines;
  }

  /** Calls `listener` for each new line until the returned function is called. */
  follow(appId: string, listener: Listener): () => void {
    const { listeners } = this.#log(appId);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  forget(appId: string): void {
    this.#apps.delete(appId);
    rmSync(this.#path(appId), { force: true });
  }

  #path(appId: string): string {
    return join(this.#directory, `${appId}.jsonl`);
  }

  #log(appId: string): AppLog {
    let log = this.#apps.get(appId);
    if (!log) {
      log = this.#load(appId);
      this.#apps.set(appId, log);
    }
    return log;
  }

  #load(appId: string): AppLog {
    const log = new AppLog();
    if (!existsSync(this.#path(appId))) return log;
    for (const row of readFileSync(this.#path(appId), 'utf8').split('\n')) {
      const line = parseLine(row);
      if (line) log.lines.push({ ...line, id: log.next++ });
    }
    log.written = log.lines.length;
    log.lines = log.lines.slice(-KEPT_LINES);
    return log;
  }

  #write(appId: string, log: AppLog, added: readonly StoredLine[]): void {
    const path = this.#path(appId);
    log.written += added.length;
    if (log.written <= 2 * KEPT_LINES) {
      appendFileSync(path, serialize(added), { mode: 0o600 });
      return;
    }
    writeFileSync(`${path}.tmp`, serialize(log.lines), { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
    log.written = log.lines.length;
  }
}

function serialize(lines: readonly StoredLine[]): string {
  return lines.map(({ app, process, text }) => `${JSON.stringify([app, process, text])}\n`).join('');
}

/** Null for a line that was cut off by a crash: a log may lose lines. */
function parseLine(row: string): Omit<StoredLine, 'id'> | null {
  try {
    const [app, process, text] = JSON.parse(row) as [string, string, string];
    return { app, process, text };
  } catch {
    return null;
  }
}
