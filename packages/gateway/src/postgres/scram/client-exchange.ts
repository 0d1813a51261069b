import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Secret } from '@borealis/contract';
import { attributes } from './attributes.js';

const pbkdf2Async = promisify(pbkdf2);

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** A server asks for 4096; this bounds what a wrong one could make us compute. */
const MAX_ITERATIONS = 1_000_000;

/**
 * Salts a password once per salt: a role keeps its salt, and deriving costs half a millisecond at every connect otherwise.
 */
export class SaltedPasswords {
  readonly #known = new Map<string, Promise<Buffer>>();

  constructor(private readonly password: Secret) {}

  salted(salt: string, iterations: number): Promise<Buffer> {
    const id = `${iterations}:${salt}`;
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    if (this.#known.size >= 1000) this.#known.clear();
    const made = pbkdf2Async(this.password.reveal(), Buffer.from(salt, 'base64'), iterations, 32, 'sha256');
    this.#known.set(id, made);
    return made;
  }
}

/** The client's side of SCRAM-SHA-256 without channel binding: the gateway towards PostgreSQL on a Unix socket. */
export class ClientExchange {
  readonly #bare = `n=,r=${randomBytes(18).toString('base64')}`;
  #serverSignature: Buffer | null = null;

  constructor(private readonly passwords: SaltedPasswords) {}

  get clientFirst(): string {
    return `n,,${this.#bare}`;
  }

  /** Answers the server's first message. Throws when it is no proper one. */
  async clientFinal(serverFirst: string): Promise<string> {
    const { r, s, i } = attributes(serverFirst, ['r', 's', 'i']);
    const iterations = Number(i);
    if (!r.startsWith(this.#bare.slice(5)) || !(iterations > 0 && iterations <= MAX_ITERATIONS)) {
      throw new Error("the server's first SCRAM message does not fit");
    }
    const salted = await this.passwords.salted(s, iterations);
    const clientKey = hmac(salted, 'Client Key');
    const withoutProof = `c=biws,r=${r}`;
    const authMessage = `${this.#bare},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage);
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), authMessage);
    return `${withoutProof},p=${Buffer.from(clientKey.map((byte, k) => byte ^ signature[k]!)).toString('base64')}`;
  }

  /** Throws unless the server has proved that it knows the password, too. */
  verify(serverFinal: string): void {
    const given = Buffer.from(attributes(serverFinal, ['v']).v, 'base64');
    const expected = this.#serverSignature;
    if (!expected || given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new Error('the server does not know the password');
    }
  }
}
