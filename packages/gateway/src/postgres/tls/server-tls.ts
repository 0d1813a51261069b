import { constants } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { GatewayConfig } from '@borealis/contract';
import { endPointHash } from './channel-binding.js';

const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/** The protocol name that PostgreSQL's clients ask for; with direct TLS they must. */
export const ALPN = 'postgresql';

/** Bytes that may wait in either direction of a TLS socket before its source is paused. */
const HIGH_WATER_MARK = 128 * 1024;

/**
 * One certificate, ready to serve. The channel-binding hash belongs to the certificate of the handshake, so the two are
 * replaced together, and a connection keeps the object it began with.
 */
export class ServerTls {
  readonly binding: Buffer | null;
  readonly #context: SecureContext;

  /** Throws when certificate and key do not fit each other. */
  constructor({ certificate, privateKey }: GatewayConfig['tls']) {
    this.binding = endPointHash(certificate);
    this.#context = createSecureContext({
      cert: certificate,
      key: privateKey,
      minVersion: 'TLSv1.2',
      ciphers: CIPHERS,
      honorCipherOrder: true,
      // disableRenegotiation() has no effect on a TLSSocket made around a Duplex; this option has. Tickets need key rotation.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
    });
  }

  /** Starts TLS on a channel; `secure` is emitted when the handshake is done. */
  wrap(channel: Duplex): TLSSocket {
    const options = {
      isServer: true,
      secureContext: this.#context,
      ALPNProtocols: [ALPN],
      highWaterMark: HIGH_WATER_MARK,
    };
    return new TLSSocket(channel as ConstructorParameters<typeof TLSSocket>[0], options);
  }
}
