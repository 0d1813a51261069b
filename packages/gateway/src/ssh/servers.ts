import type { GatewayConfig } from '@borealis/contract';
import ssh2, { type Server } from 'ssh2';
import { algorithmsFor } from './algorithms.js';
import type { Profile } from './ident.js';
import { assertServer, type ClientInternals } from './internals.js';

/** The two ssh2 servers that sockets are given to. Neither ever listens. */
export type Servers = Record<Profile, Server>;

/**
 * Builds both for a configuration. Throws an Error that says which host key is unusable, without a byte of it.
 */
export function buildServers(config: GatewayConfig, attach: (client: ClientInternals) => void): Servers {
  const keys = config.sshHostKeys.map(checkedHostKey);
  const build = (profile: Profile) => {
    const server = new ssh2.Server({
      hostKeys: keys,
      ident: 'borealis',
      algorithms: algorithmsFor(profile),
      keepaliveInterval: config.limits.keepaliveSeconds * 1000,
      keepaliveCountMax: config.limits.keepaliveMisses,
    } as ConstructorParameters<typeof Server>[0]);
    assertServer(server);
    server.on('connection', (client) => attach(client as ClientInternals));
    return server;
  };
  return { fast: build('fast'), compat: build('compat') };
}

function checkedHostKey(text: string, index: number): string {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error || !key.isPrivateKey()) throw new Error(`sshHostKeys[${index}] is no OpenSSH private key.`);
  // With an RSA host key ssh2 would offer SHA-1 signatures and cannot be told not to.
  if (!['ssh-ed25519', 'ecdsa-sha2-nistp256'].includes(key.type)) {
    throw new Error(`sshHostKeys[${index}] is a ${key.type} key: only ed25519 and ecdsa-sha2-nistp256 are allowed.`);
  }
  return text;
}
