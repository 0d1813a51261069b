import { Installation } from './installation.mjs';
import { startPeer } from './peer/peer.mjs';
import { prepareSsh } from './tunnel.mjs';

/** Calls `make` at the first call and gives its result, or its failure, ever after; `made` tells whether there was one. */
function once(make) {
  let made;
  const give = () => {
    made ??= make();
    return made;
  };
  return Object.assign(give, { made: () => made !== undefined });
}

/** What measures share, each made when it is first asked for: the installation, an app of it, the peer. */
export function createContext({ sizes }, cleanup, say) {
  const installation = once(() => {
    say('Starting an installation');
    return Installation.start(cleanup);
  });
  const ours = once(async () => {
    const running = await installation();
    return prepareSsh(await running.endpoint(await running.provision()), cleanup);
  });
  const peer = once(async () => {
    say('Starting the peer: sshd in front of PostgreSQL with TLS');
    const { version, endpoint } = await startPeer(cleanup);
    return { version, endpoint: await prepareSsh(endpoint, cleanup) };
  });
  return { sizes, cleanup, say, installation, ours, peer };
}
