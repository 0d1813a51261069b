import type { DataAtRest } from '@borealis/engine';
import type { Logger } from 'pino';
import type { EventJournal } from '../events/event-journal.js';
import type { GatewayProgram } from '../gateway/program.js';
import type { CertificateAuthority } from '../home/certificate-authority.js';
import type { Home } from '../home/home.js';
import type { KeeperOptions } from '../options.js';
import type { UpgradeTurns } from './gateway-upgrade.js';

/** What all clusters of a home share. */
export interface HomeContext {
  home: Home;
  options: KeeperOptions;
  log: Logger;
  authority: CertificateAuthority;
  events: EventJournal;
  program: GatewayProgram;
  gatewayUpgrades: UpgradeTurns;
  /** As it was found when the keeper started. */
  dataAtRest: DataAtRest;
  /** Aborted when the keeper stops. */
  ending: AbortSignal;
}
