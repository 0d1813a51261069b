import type { Duplex } from 'node:stream';
import type { GatewayConfig } from '@borealis/contract';
import type { Logger } from 'pino';
import type { SqlFront, Target, Tunnel } from '../front.js';
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
    reload: (next) => {
      runtime.reload(next);
      return endOutdated(runtime);
    },
    hold: (seconds, late) => runtime.mover.hold(seconds, late),
    resume: (next) => {
      runtime.reload(next);
      return runtime.mover.held ? runtime.mover.resume() : Promise.resolve(endOutdated(runtime));
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

/** Ends the sessions that the configuration in force has no place for. One that is held has left its server already. */
function endOutdated(runtime: Runtime): { kept: number; closed: Record<string, number> } {
  let lost = 0;
  for (const session of runtime.sessions) {
    const { claim, target } = session.parts;
    if (session.attached && !runtime.places.current(target, session.place)) {
      session.fence(new Refused('administrator'));
      lost++;
    } else if (!runtime.access.allows(claim)) session.end(new Refused('administrator'));
  }
  if (lost > 0) runtime.count('sessions_closed_server', lost);
  return { kept: 0, closed: lost > 0 ? { server: lost } : {} };
}
