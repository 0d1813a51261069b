import { connect, type Socket } from 'node:net';
import { CLIError } from '@oclif/core/errors';
import { type CipherAlgorithm, Client } from 'ssh2';
import type { SshAccess } from '../addon-api/personal-users.js';
import { isHostKey } from './host-key.js';

/** Why there is no SSH connection. Only `unreachable` is worth another try with the same credentials. */
export class SshFailure extends CLIError {
  readonly kind: 'unreachable' | 'credentials' | 'host-key';

  constructor(kind: SshFailure['kind'], message: string) {
    super(message, { exit: 1 });
    this.kind = kind;
  }
}

// AES-GCM is the cheapest for both ends; the rest is for servers other than ours.
const CIPHERS: CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes256-ctr',
  'aes192-ctr',
  'aes128-ctr',
];
const READY_TIMEOUT_MS = 20_000;
const KEEPALIVE = { keepaliveInterval: 15_000, keepaliveCountMax: 3 };

/** Logs in to the SSH server. Resolves with a connection whose host key is the expected one, else throws `SshFailure`. */
export function sshConnect(access: SshAccess): Promise<Client> {
  const client = new Client();
  const socket = connectSocket(access);
  let wrongHostKey = false;
  return new Promise<Client>((resolve, reject) => {
    const fail = (error?: Error) => {
      socket.destroy();
      reject(failureOf(access, wrongHostKey, error));
    };
    client.once('ready', () => resolve(client)).on('error', fail);
    client.once('close', () => fail());
    try {
      client.connect({
        sock: socket,
        username: access.username,
        // The gateway makes its fast offer (AES-GCM alone) to clients that it knows by this.
        ident: 'borealis_pg_cli',
        privateKey: access.privateKey.reveal(),
        algorithms: { serverHostKey: access.hostKey.algorithms, cipher: CIPHERS },
        hostVerifier: (key: Buffer) => {
          wrongHostKey = !isHostKey(access.hostKey, key);
          return !wrongHostKey;
        },
        readyTimeout: READY_TIMEOUT_MS,
        ...KEEPALIVE,
      });
    } catch {
      // ssh2's own message could quote from the key.
      socket.destroy();
      reject(new SshFailure('credentials', 'The add-on service gave an SSH key that cannot be read'));
    }
  });
}

/** Queries are small packets that wait for each other's answers, so Nagle's algorithm would cost 40 ms each. */
function connectSocket({ host, port }: SshAccess): Socket {
  return connect({ host, port, noDelay: true });
}

function failureOf({ host, port }: SshAccess, wrongHostKey: boolean, error?: Error & { level?: string }): SshFailure {
  const server = `the tunnel's SSH server ${host}:${port}`;
  if (wrongHostKey)
    return new SshFailure(
      'host-key',
      `Stopped: ${server} shows another host key than the add-on service told. Somebody may be listening in`,
    );
  if (error?.level === 'client-authentication')
    return new SshFailure('credentials', `The credentials of this session are not accepted by ${server} any more`);
  return new SshFailure('unreachable', `Cannot connect to ${server}: ${error?.message ?? 'the connection was closed'}`);
}
