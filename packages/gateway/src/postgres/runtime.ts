import type { GatewayConfig } from '@borealis/contract';
import type { Logger } from 'pino';
import type { Target } from '../front.js';
import { type Place, Places } from './backend/place.js';
import type { LoggedIn } from './logged-in.js';
import { Access } from './login/access.js';
import { FailureLimit } from './login/failure-limit.js';
import { Gate } from './move/gate.js';
import { Mover } from './move/mover.js';
import { CancelKeys } from './session/cancel-keys.js';
import type { Session } from './session/session.js';
import { Teardowns } from './session/teardowns.js';
import { ServerTls } from './tls/server-tls.js';

/** Guesses at cancel keys that one tunnel user may make before its cancels are dropped for a while. */
const CANCEL_RULE = { failures: 20, pauseSeconds: 10 };

/** What all sessions of the gateway share: the configuration in force, made ready for use, and what is going on. */
export class Runtime {
  tls!: ServerTls;
  access!: Access;
  places!: Places;
  mockSecret!: Buffer;
  limits!: GatewayConfig['limits'];
  closing = false;
  /** Logins past the password whose server process is being opened: they count as sessions. */
  readonly opening = new Map<AbortController, LoggedIn>();
  /** What such logins try, each at one server; aborted when another is in force in its place. */
  readonly attempts = new Map<AbortController, { target: Target; place: Place }>();
  readonly sessions = new Set<Session>();
  readonly cancelKeys = new CancelKeys();
  readonly teardowns = new Teardowns();
  readonly gate = new Gate();
  readonly mover = new Mover(this);
  readonly counters: Record<string, number> = {};
  readonly loginFailures = new FailureLimit(() => ({
    failures: this.limits.sqlLoginFailures,
    pauseSeconds: this.limits.sqlLoginPauseSeconds,
  }));
  readonly cancelFailures = new FailureLimit(() => CANCEL_RULE);

  constructor(
    config: GatewayConfig,
    readonly log: Logger,
  ) {
    this.reload(config);
  }

  /** All or nothing: what can throw comes first. */
  reload(config: GatewayConfig): void {
    const [tls, access] = [new ServerTls(config.tls), new Access(config)];
    Object.assign(this, {
      tls,
      access,
      places: new Places(config),
      mockSecret: Buffer.from(config.mockSecret, 'base64'),
      limits: config.limits,
    });
  }

  count(label: string, by = 1): void {
    this.counters[label] = (this.counters[label] ?? 0) + by;
  }
}
