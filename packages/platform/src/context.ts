import type { Logger } from 'pino';
import type { Catalogue } from './catalogue.js';
import type { Courier } from './delivery/courier.js';
import type { Dynos } from './dynos.js';
import type { LogBook } from './logs/log-book.js';
import type { LogSessions } from './logs/log-sessions.js';
import type { Store } from './store/store.js';

/** What every part of the platform works with. */
export interface Platform {
  store: Store;
  catalogue: Catalogue;
  courier: Courier;
  logs: LogBook;
  sessions: LogSessions;
  dynos: Dynos;
  log: Logger;
  /** From which tokens that must be shown again are derived. */
  key: Buffer;
  /** The owner of the platform, who alone makes users. */
  ownerEmail: string;
  /** Milliseconds since 1970. */
  now(): number;
  /** Where users and services reach the platform, without a slash at the end. */
  url(): string;
}
