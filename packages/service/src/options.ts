import type { Secret } from '@borealis/contract';
import type { Engine } from '@borealis/engine';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { BackupPolicy } from './backups/backup-policy.js';
import type { RotationTimes } from './rotation/rotation-store.js';
import type { StoragePolicy } from './storage/storage-policy.js';
import type { MaintenancePolicy } from './upgrades/maintenance-window.js';

/** What the service knows of itself and of the platform. */
export interface ServiceConfig {
  /** Address to listen on, and port; 0 takes any free one. */
  host: string;
  port: number;
  /** The Platform API, without a slash at its end; its OAuth endpoint is `/oauth/token` below it. */
  platformUrl: string;
  manifest: {
    /** The add-on service's slug; also the user of the Partner API. */
    id: string;
    /** The password of the Partner API. */
    password: Secret;
    oauthClientSecret: Secret;
  };
  /** Where apps and persons reach the service (`API_BASE_URL`); the address that it listens on when not given. */
  publicUrl?: string;
  /** The host in the URLs of config vars. */
  tunnelHost: string;
  /** How often the credentials of apps are renewed; weekly with an overlap of 25 to 72 hours when not given. */
  rotation?: RotationTimes;
  /** When what happens to a database that grows; the defaults when not given. */
  storage?: Partial<StoragePolicy>;
  /** When backups are made and proven, and how long they are kept; the defaults when not given. */
  backups?: Partial<BackupPolicy>;
  /** When new minor releases of PostgreSQL are put in place, and whether by themselves; the defaults when not given. */
  maintenance?: Partial<MaintenancePolicy>;
  /** Regions that are accepted, without the provider's prefix; all that the platform has when not given. */
  regions?: readonly string[];
  /** Where e-mails go out: `smtp://` or `smtps://`, with user and password in it. Nobody gets any without it. */
  smtpUrl?: Secret;
  /** The sender of e-mails: an address, or a name and an address in angle brackets. */
  mailFrom?: string;
  /** Guards what the operator sees. Without it there is no operator surface but `/health` and `/openapi.json`. */
  operatorToken?: Secret;
}

export interface ServiceOptions {
  /** Where the control database is; the service makes its tables itself. */
  database: pg.PoolConfig;
  engine: Engine;
  /** At least 32 bytes. Every secret in the control database depends on it. */
  masterKey: Secret<Buffer>;
  config: ServiceConfig;
  /** Silent when not given. */
  log?: Logger;
  /** Called before and after the work of every label, which waits for it: tests stop the world there. */
  atLabel?: AtLabel;
}

export type AtLabel = (moment: 'before' | 'after', label: string) => Promise<void>;
