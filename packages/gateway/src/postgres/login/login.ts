import type { Duplex } from 'node:stream';
import type { Target, Tunnel } from '../../front.js';
import { type OpenBackend, openBackend } from '../backend/open.js';
import type { Place } from '../backend/place.js';
import { allLoggedIn } from '../logged-in.js';
import { type RefusalCode, Refused, refusals } from '../refusals.js';
import type { Runtime } from '../runtime.js';
import { makeChallenge } from '../scram/mock-challenge.js';
import { closeChannel } from '../session/closing.js';
import { Session } from '../session/session.js';
import { authentication, backendKeyData, negotiateProtocolVersion } from '../wire/messages.js';
import { PeerGone } from '../wire/packet-reader.js';
import type { StartUpPacket } from '../wire/start-up-packet.js';
import type { Claim } from './access.js';
import { authenticate, type Proof } from './authenticate.js';
import { Negotiation } from './negotiation.js';
import { readRequest, type StartUpRequest } from './settings.js';

interface Opened {
  place: Place;
  backend: OpenBackend;
}

/** One forwarded connection from its first byte until it is a session, a cancel request is served, or the client is turned away. */
export class Login {
  readonly #abort = new AbortController();
  readonly #negotiation: Negotiation;
  /** The configuration may be reloaded meanwhile; the hash must be that of the certificate the handshake shows. */
  readonly #tls: Runtime['tls'];
  #role = '';

  /** Resolves when the login is over, one way or the other. Rejects only where the gateway itself is at fault. */
  static async run(runtime: Runtime, channel: Duplex, tunnel: Tunnel, target: Target): Promise<void> {
    await new Login(runtime, channel, tunnel, target).#run();
  }

  private constructor(
    private readonly runtime: Runtime,
    private readonly channel: Duplex,
    private readonly tunnel: Tunnel,
    private readonly target: Target,
  ) {
    this.#tls = runtime.tls;
    // An error is always followed by `close`.
    channel.on('error', () => undefined);
    this.#negotiation = new Negotiation(channel, this.#tls, this.#abort.signal);
  }

  async #run(): Promise<void> {
    const timeout = setTimeout(
      () => this.#abort.abort(new Refused('login_timeout')),
      this.runtime.limits.postgresLoginSeconds * 1000,
    );
    const onClose = () => this.#abort.abort(new PeerGone('the channel closed during the login'));
    this.channel.once('close', onClose);
    try {
      const packet = await this.#negotiation.run();
      if (packet.kind === 'cancel') await this.#cancel(packet);
      else await this.#login(packet);
    } catch (error) {
      this.#failed(error);
    } finally {
      clearTimeout(timeout);
      this.channel.off('close', onClose);
    }
  }

  async #cancel({ pid, secret }: { pid: number; secret: Buffer }): Promise<void> {
    const user = this.tunnel.user.username;
    const { cancelFailures, cancelKeys } = this.runtime;
    const session = cancelFailures.blocked(user, 'cancel') ? null : cancelKeys.find(user, pid, secret);
    if (!session) cancelFailures.failed(user, 'cancel');
    this.runtime.count(session ? 'cancels' : 'cancels_ignored');
    // The client may rely on it: once its connection is closed, the signal has been sent.
    await session?.cancel();
    this.#close(null);
  }

  async #login({ minor, settings }: Extract<StartUpPacket, { kind: 'startup' }>): Promise<void> {
    const { stream } = this.#negotiation;
    const request = readRequest(minor, settings);
    this.#role = request.role;
    if (request.negotiate) stream.write(negotiateProtocolVersion(request.negotiate.minor, request.negotiate.unknown));
    const claim = { tunnelUser: this.tunnel.user.username, role: request.role, database: request.database };
    const proof = await this.#checkPassword(claim);
    await this.runtime.gate.through(this.#abort.signal, () => this.#enter(claim, request, proof));
  }

  async #enter(claim: Claim, request: StartUpRequest, proof: Proof): Promise<void> {
    const { place, backend } = await this.#openCurrent(claim, request, proof);
    if (this.#abort.signal.aborted || this.runtime.closing || !this.runtime.access.allows(claim)) {
      backend.socket.destroy();
      throw new Refused('administrator');
    }
    this.#begin(claim, place, request, backend, proof);
  }

  /** A server that is replaced meanwhile is waited for no longer: the one in its place is asked. */
  async #openCurrent(claim: Claim, request: StartUpRequest, proof: Proof): Promise<Opened> {
    const place = this.runtime.places.of(this.target);
    const isReplaced = () => !this.#abort.signal.aborted && !this.runtime.places.current(this.target, place);
    const backend = await this.#openBackend(place, claim, request, proof).catch((error: unknown) => {
      if (!isReplaced()) throw error;
      return null;
    });
    if (backend && !isReplaced()) return { place, backend };
    backend?.socket.destroy();
    return this.#openCurrent(claim, request, proof);
  }

  /** Unknown, foreign, expired, wrong database, wrong password: all the same to the client, also in time. */
  async #checkPassword(claim: Claim): Promise<Proof> {
    const { access, mockSecret, loginFailures } = this.runtime;
    const { tunnelUser, role } = claim;
    if (loginFailures.blocked(tunnelUser, role)) throw new Refused('too_many_failures', role);
    const challenge = makeChallenge(mockSecret, role, access.verifiers(claim));
    // The client may take its time to answer: what counts are the passwords that are valid when it does.
    const current = () => makeChallenge(mockSecret, role, this.runtime.access.verifiers(claim)).keys;
    const { stream, reader } = this.#negotiation;
    const proof = await authenticate(stream, reader, challenge, current, this.#tls.binding);
    // Asked of the configuration that is in force by now.
    if (proof === null || !this.runtime.access.allows(claim) || this.runtime.access.expired(claim)) {
      loginFailures.failed(tunnelUser, role);
      throw new Refused('wrong_password', role);
    }
    loginFailures.succeeded(tunnelUser, role);
    return proof;
  }

  async #openBackend(place: Place, { role, database }: Claim, { forServer }: StartUpRequest, { verifier }: Proof) {
    const { runtime } = this;
    const attempt = new AbortController();
    refuseBeyondLimits(runtime, database);
    runtime.opening.set(this.#abort, { role, database, verifier });
    runtime.attempts.set(attempt, { target: this.target, place });
    try {
      return await openBackend(place, forServer, AbortSignal.any([this.#abort.signal, attempt.signal]));
    } finally {
      runtime.attempts.delete(attempt);
      runtime.opening.delete(this.#abort);
    }
  }

  #begin(claim: Claim, place: Place, request: StartUpRequest, backend: OpenBackend, proof: Proof): void {
    const { runtime, channel, tunnel, target } = this;
    const { stream: client, reader } = this.#negotiation;
    const session = new Session({
      tunnel,
      channel,
      client,
      claim,
      verifier: proof.verifier,
      target,
      place,
      backend,
      startUp: request.forServer,
      teardowns: runtime.teardowns,
      onLost: (lost) => runtime.mover.failover.adopt(lost),
      onClosed: () => {
        runtime.cancelKeys.revoke(key.pid);
        runtime.sessions.delete(session);
      },
      onRefused: (_session, refused, cause) => this.#report(refused, cause),
    });
    const key = runtime.cancelKeys.issue(request.cancelKeyBytes, session);
    runtime.sessions.add(session);
    runtime.count('sessions_opened');
    const greeting = [
      proof.message,
      authentication.ok(),
      ...backend.greeting,
      backendKeyData(key.pid, key.secret),
      backend.ready,
    ];
    client.write(Buffer.concat(greeting));
    session.start(reader.release());
  }

  #failed(error: unknown): void {
    if (error instanceof PeerGone) {
      this.runtime.count('logins_abandoned');
      this.#close(null);
      return;
    }
    const refused = error instanceof Refused ? error : new Refused('internal');
    this.#report(refused, error);
    this.#close(refused.answer);
  }

  #close(lastWord: Buffer | null): void {
    const { reader, stream, handshaking } = this.#negotiation;
    reader.release();
    if (handshaking) stream.destroy();
    closeChannel(this.channel, stream, handshaking ? null : lastWord);
  }

  #report(refused: Refused, cause: unknown): void {
    const code: RefusalCode = refused.code;
    this.runtime.count(`refused_${code}`);
    const err = code === 'internal' ? cause : undefined;
    const facts = { tunnel: this.tunnel.id, tunnelUser: this.tunnel.user.username, role: this.#role, code };
    this.runtime.log[refusals[code].level]({ ...facts, detail: refused.forLog, err }, refused.message);
  }
}

function refuseBeyondLimits(runtime: Runtime, database: string): void {
  const { sessions, sessionsPerDatabase } = runtime.limits;
  const all = allLoggedIn(runtime);
  if (all.length >= sessions) throw new Refused('too_many_sessions', String(sessions));
  if (all.filter((loggedIn) => loggedIn.database === database).length >= sessionsPerDatabase)
    throw new Refused('database_full', String(sessionsPerDatabase));
}
