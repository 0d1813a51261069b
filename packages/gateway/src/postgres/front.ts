import type { Duplex } from 'node:stream';
import type { GatewayConfig } from '@borealis/contract';
import type { Logger } from 'pino';
import type { Moved, SqlFront, Target, Tunnel } from '../front.js';
import { countByVerifier, type LoggedIn } from './logged-in.js';
import { Login } from './login/login.js';
import { Refused } from './refusals.js';
import { Runtime } from './runtime.js';

/**
 * The PostgreSQL side of a gateway, running by `config`. Throws when the certificate or a verifier in it cannot be used;
 * so does `reload`, and then the old configuration stays in force.
 */
export function createSqlFront(config: GatewayConfig, log: Logger): SqlFront {
  const runtime = new Runtime(config, log);
  return {
    accept: (channel: Duplex, tunnel: Tunnel, target: Target) => {
      Login.run(runtime, channel, tunnel, target).catch((err) => {
        runtime.log.error({ err, tunnel: tunnel.id }, 'a login failed inside the gateway');
        runtime.count('refused_internal');
        channel.destroy();
      });
    },
    reload: (next) => reload(runtime, next),
    ask: () => runtime.mover.ask(),
    hold: (seconds, late) => runtime.mover.hold(seconds, late),
    get holding() {
      return runtime.mover.holding;
    },
    resume: (next) => {
      const moved = reload(runtime, next);
      return runtime.mover.held ? runtime.mover.resume() : moved;
    },
    closeSessions: (roles, verifierDigests) => {
      const meant = ({ role, verifier }: LoggedIn) => roles.includes(role) || verifierDigests.includes(verifier);
      for (const session of runtime.sessions) {
        if (meant(session.loggedIn)) session.end(new Refused('administrator'));
      }
      for (const [login, loggedIn] of runtime.opening) {
        if (meant(loggedIn)) login.abort(new Refused('administrator'));
      }
    },
    sessionsByVerifier: () => countByVerifier(runtime),
    get sessions() {
      return runtime.sessions.size;
    },
    get counters() {
      return runtime.counters;
    },
    close: async () => {
      runtime.closing = true;
      runtime.mover.stop();
      const closed = [...runtime.sessions].map((session) => session.closed);
      for (const session of runtime.sessions) session.end(new Refused('administrator'));
      await Promise.all(closed);
    },
  };
}

/** Throws before anything has changed, when the configuration cannot be used. */
function reload(runtime: Runtime, next: GatewayConfig): Promise<Moved> {
  const before = runtime.places;
  runtime.reload(next);
  for (const session of runtime.sessions)
    if (!runtime.access.allows(session.parts.claim)) session.end(new Refused('administrator'));
  const targets: Target[] = ['primary', 'replica'];
  if (targets.every((target) => runtime.places.current(target, before.of(target))))
    return Promise.resolve({ kept: 0, closed: {} });
  for (const [attempt, { target, place }] of runtime.attempts)
    if (!runtime.places.current(target, place)) attempt.abort(new Refused('database_starting'));
  // One that is held has left its server already.
  const outdated = [...runtime.sessions].filter(
    ({ live, attached, parts, place }) => live && attached && !runtime.places.current(parts.target, place),
  );
  return runtime.mover.failover.redirect(outdated);
}
