/**
 * Every reason why the gateway itself ends a connection, declared once: the SSH disconnect code, the level it is logged
 * at, and a sentence. The key is the metric label and the `reason` of the `tunnel-destroyed` event.
 */
interface CutReason {
  /** SSH_DISCONNECT code (RFC 4253, 11.1); null: no message, the socket just goes. */
  code: number | null;
  level: 'debug' | 'info' | 'warn';
  text: string;
}

const PROTOCOL_ERROR = 2;
const BY_APPLICATION = 11;
const TOO_MANY_CONNECTIONS = 12;
const NO_MORE_AUTH_METHODS = 14;

export const CUTS = {
  'peer-closed': { code: null, level: 'debug', text: 'The client closed the connection.' },
  'socket-error': { code: null, level: 'debug', text: 'The network connection broke.' },
  'peer-dead': { code: null, level: 'info', text: 'The client answered no keepalive.' },
  'output-stalled': { code: null, level: 'warn', text: 'The client read nothing for too long.' },
  'login-grace': { code: null, level: 'info', text: 'The client did not log in in time.' },
  'protocol-error': { code: PROTOCOL_ERROR, level: 'info', text: 'The client broke the SSH protocol.' },
  'window-violated': { code: PROTOCOL_ERROR, level: 'warn', text: 'The client sent more than its window allows.' },
  'window-overflow': { code: PROTOCOL_ERROR, level: 'warn', text: 'The client granted a window beyond 2^32-1 bytes.' },
  'unknown-channel': { code: PROTOCOL_ERROR, level: 'warn', text: 'The client spoke on a channel that is not open.' },
  'unexpected-message': {
    code: PROTOCOL_ERROR,
    level: 'warn',
    text: 'The client sent a message that has no place here.',
  },
  'refused-opens': { code: PROTOCOL_ERROR, level: 'warn', text: 'The client asked for too many refused channels.' },
  'rekey-storm': { code: PROTOCOL_ERROR, level: 'warn', text: 'The client exchanged keys again and again.' },
  'rekey-stalled': { code: null, level: 'warn', text: 'The client did not finish a key exchange in time.' },
  'reply-flood': { code: PROTOCOL_ERROR, level: 'warn', text: 'The client provoked too many replies at once.' },
  'auth-requests': { code: NO_MORE_AUTH_METHODS, level: 'info', text: 'The client tried to log in too often.' },
  'bad-signatures': { code: NO_MORE_AUTH_METHODS, level: 'warn', text: 'The client sent too many bad signatures.' },
  'too-many-tunnels': { code: TOO_MANY_CONNECTIONS, level: 'warn', text: 'The user has too many tunnels open.' },
  'database-full': {
    code: TOO_MANY_CONNECTIONS,
    level: 'warn',
    text: 'The users of this database have too many tunnels open.',
  },
  'user-closed': { code: BY_APPLICATION, level: 'info', text: 'The control plane closed the user or the key.' },
  'user-removed': { code: BY_APPLICATION, level: 'info', text: 'The user does not exist any more.' },
  drained: {
    code: BY_APPLICATION,
    level: 'info',
    text: 'This server was upgraded and has waited long enough for this tunnel to end: connect again.',
  },
  'gateway-stopped': { code: BY_APPLICATION, level: 'info', text: 'The gateway stops.' },
} as const satisfies Record<string, CutReason>;

export type Cut = keyof typeof CUTS;
