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
      for (const session of runtime.sessions) {
        const { claim, target, place } = session.parts;
        if (!runtime.places.current(target, place)) session.fence(new Refused('administrator'));
        else if (!runtime.access.allows(claim)) session.end(new Refused('administrator'));
      }
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
      const closed = [...runtime.sessions].map((session) => session.closed);
      for (const session of runtime.sessions) session.end(new Refused('administrator'));
      await Promise.all(closed);
    },
  };
}
