import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ScramVerifier } from '@borealis/contract';
import { Refused } from '../refusals.js';
import { attributes, checkNonce } from './attributes.js';

export const SCRAM = 'SCRAM-SHA-256';
export const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS';

/** What a login is checked against: one salt, and the keys of every password that is valid now. */
export interface ScramChallenge {
  salt: Buffer;
  iterations: number;
  keys: readonly ScramKey[];
}

/** What one password is checked by; `digest` names the verifier. */
export type ScramKey = Pick<ScramVerifier, 'storedKey' | 'serverKey'> & { digest: string };

/** A login that has shown its password. */
export interface ScramSuccess {
  /** The server's final message, by which the client is shown that we know the password, too. */
  serverFinal: string;
  /** The key that the password met: the first of those that did. */
  digest: string;
}

interface ClientFirst {
  gs2Header: string;
  bare: string;
  nonce: string;
}

/**
 * The server's side of one SCRAM-SHA-256(-PLUS) exchange (RFC 5802, 5929, 7677). `binding` is the certificate hash of this
 * very TLS connection, null where the certificate has none; then -PLUS was not offered. Every key is tried, without an early exit.
 */
export class ServerExchange {
  readonly #first: ClientFirst;
  readonly #serverFirst: string;
  readonly #nonce: string;

  constructor(
    private readonly mechanism: string,
    clientFirst: string,
    private readonly challenge: ScramChallenge,
    private readonly binding: Buffer | null,
    serverNonce = randomBytes(18).toString('base64'),
  ) {
    this.#first = this.#parseFirst(clientFirst);
    this.#nonce = this.#first.nonce + serverNonce;
    this.#serverFirst = `r=${this.#nonce},s=${challenge.salt.toString('base64')},i=${challenge.iterations}`;
  }

  /** The server's first message. */
  get serverFirst(): string {
    return this.#serverFirst;
  }

  /** Checks the client's proof against `keys`: null if none matched. Throws `Refused` where the message lies. */
  finish(clientFinal: string, keys = this.challenge.keys): ScramSuccess | null {
    const { c, r, p } = attributes(clientFinal, ['c', 'r', 'p']);
    this.#checkBinding(c);
    if (r !== this.#nonce) throw new Refused('scram_malformed', 'the nonce is not the one of this exchange');
    const proof = Buffer.from(p, 'base64');
    if (proof.length !== 32) throw new Refused('scram_malformed', 'a proof has 32 bytes');
    const authMessage = `${this.#first.bare},${this.#serverFirst},${clientFinal.slice(0, clientFinal.lastIndexOf(',p='))}`;
    const matched = keys.map((key) => ({ key, ok: proves(proof, key.storedKey, authMessage) }));
    const key = matched.find(({ ok }) => ok)?.key;
    if (!key) return null;
    const signature = createHmac('sha256', key.serverKey).update(authMessage).digest('base64');
    return { serverFinal: `v=${signature}`, digest: key.digest };
  }

  #parseFirst(text: string): ClientFirst {
    const match = /^([ny]|p=[^,]*),([^,]*),(.*)$/s.exec(text);
    if (!match) throw new Refused('scram_malformed', 'no channel-binding flag');
    const [, flag, identity, bare] = match as unknown as [string, string, string, string];
    this.#checkFlag(flag);
    if (identity !== '') throw new Refused('scram_identity');
    // The name is ignored, as PostgreSQL does: the start-up packet's user counts.
    const { r } = attributes(bare, ['n', 'r']);
    checkNonce(r);
    return { gs2Header: `${flag},,`, bare, nonce: r };
  }

  #checkFlag(flag: string): void {
    if (this.mechanism === SCRAM_PLUS) {
      if (flag !== 'p=tls-server-end-point') throw new Refused('scram_malformed', 'channel binding type expected');
    } else {
      if (flag.startsWith('p')) throw new Refused('scram_malformed', 'channel binding needs SCRAM-SHA-256-PLUS');
      // "y": the client would bind, but was told that we cannot. If we can, somebody in between took our offer out.
      if (flag === 'y' && this.binding) throw new Refused('scram_downgrade');
    }
  }

  #checkBinding(sent: string): void {
    const data = this.mechanism === SCRAM_PLUS ? this.binding! : Buffer.alloc(0);
    const expected = Buffer.concat([Buffer.from(this.#first.gs2Header), data]).toString('base64');
    if (sent !== expected) throw new Refused('scram_binding');
  }
}

function proves(proof: Buffer, storedKey: Buffer, authMessage: string): boolean {
  const signature = createHmac('sha256', storedKey).update(authMessage).digest();
  const clientKey = Buffer.from(proof.map((byte, i) => byte ^ signature[i]!));
  return timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey);
}
