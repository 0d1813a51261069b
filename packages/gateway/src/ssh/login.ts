import type { GatewayLimits, TunnelUser } from '@borealis/contract';
import type { AuthContext, PublicKeyAuthContext } from 'ssh2';
import type { Cut } from './cuts.js';
import { acceptableKey, isRsa, verifySignature } from './public-keys.js';
import type { UserDirectory } from './user-directory.js';

/** What a login needs of the connection and the door around it. */
export interface LoginSurroundings {
  directory(): UserDirectory;
  limits(): Pick<GatewayLimits, 'authenticationRequests' | 'badSignatures'>;
  /** Milliseconds by which a refusal is held back. */
  delayFor(username: string): number;
  /** Counts one failed attempt of this user name (null: not a name that can exist). */
  failed(username: string | null): void;
  /** The user has proved who it is, by this key in wire form. Opens the tunnel, or cuts the connection. */
  succeeded(user: TunnelUser, key: Buffer): void;
  cut(reason: Cut): void;
  isDead(): boolean;
  now(): number;
}

const USERNAME = /^[a-z][a-z0-9_-]{2,62}$/;

/**
 * Authentication of one connection, by public key alone. Every refusal looks the same, whether the user, the key, the
 * signature or the date was wrong, and unknown users cost the same work as known ones.
 */
export class Login {
  #requests = 0;
  #badSignatures = 0;
  #refusedKeys = 0;
  #username: string | null = null;

  constructor(private readonly around: LoginSurroundings) {}

  /** To be called when the connection ends without a login: keys that were only offered count as one failure together. */
  abandoned(): void {
    if (this.#refusedKeys > 0) this.around.failed(this.#username);
  }

  /** Answers one authentication request of ssh2. */
  handle(request: AuthContext): void {
    this.#username = USERNAME.test(request.username) ? request.username : null;
    if (++this.#requests > this.around.limits().authenticationRequests) this.around.cut('auth-requests');
    else if (request.method === 'publickey') this.#publicKey(request);
    else this.#otherMethod(request);
  }

  /** `none` is how a client asks what there is; anything else is an attempt to get in. */
  #otherMethod(request: AuthContext): void {
    if (request.method !== 'none') this.around.failed(this.#username);
    this.#refuse(request);
  }

  #publicKey(request: PublicKeyAuthContext): void {
    const { data } = request.key;
    // SHA-1 signatures can be forged; ssh2 tells them by the absence of a hash name. The key itself says that it is RSA:
    // the algorithm that the request names is the client's word, and ssh2 would check SHA-1 under any other name, too.
    const usable = !(isRsa(data) && request.hashAlgo === undefined) && acceptableKey(data) === undefined;
    const user = this.around.directory().find(request.username, data);
    const allowed = usable && user !== undefined && !this.#expired(user);
    if (!request.signature) this.#answerOffer(request, allowed);
    else {
      const { blob, signature, hashAlgo } = request;
      const proved = usable && verifySignature(data, blob ?? Buffer.alloc(0), signature, hashAlgo);
      if (allowed && proved) this.#succeed(request, user);
      else this.#refuseSignature(request, proved);
    }
  }

  /** A key that was only offered may be one of many in somebody's agent: that alone is no attack. */
  #answerOffer(request: PublicKeyAuthContext, allowed: boolean): void {
    if (!allowed) this.#refusedKeys++;
    if (allowed) request.accept();
    else this.#refuse(request);
  }

  #succeed(request: PublicKeyAuthContext, user: TunnelUser): void {
    this.#refusedKeys = 0;
    this.around.succeeded(user, request.key.data);
    if (!this.around.isDead()) request.accept();
  }

  #refuseSignature(request: PublicKeyAuthContext, proved: boolean): void {
    this.around.failed(this.#username);
    const tooMany = !proved && ++this.#badSignatures >= this.around.limits().badSignatures;
    if (tooMany) this.around.cut('bad-signatures');
    else this.#refuse(request);
  }

  #expired(user: TunnelUser): boolean {
    return user.validUntil !== null && Date.parse(user.validUntil) <= this.around.now();
  }

  #refuse(request: AuthContext): void {
    const delay = request.method === 'none' ? 0 : this.around.delayFor(request.username);
    const refuse = () => this.around.isDead() || request.reject(['publickey']);
    if (delay === 0) refuse();
    else setTimeout(refuse, delay);
  }
}
