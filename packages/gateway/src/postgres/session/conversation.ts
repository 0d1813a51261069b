import { BodyCapture } from '../wire/body-capture.js';
import { errorFields } from '../wire/error-response.js';
import { parameterOf } from '../wire/parameter-status.js';
import { MessageScanner } from '../wire/scanner.js';
import { CustomSettings } from './custom-settings.js';
import { Identifiers } from './identifiers.js';
import { IdleTracker } from './idle-tracker.js';
import { type UnnamedParse, UnnamedStatement } from './unnamed-statement.js';

const code = (letter: string) => letter.charCodeAt(0);
const [QUERY, PARSE, CALL, TERMINATE] = ['Q', 'P', 'F', 'X'].map(code);
const [READY, PARSE_COMPLETE, ERROR, PARAMETER] = ['Z', '1', 'E', 'S'].map(code);
const [ROW, PARAMETERS, COPY_IN, COPY_OUT] = ['T', 't', 'G', 'H'].map(code);

/** Messages of the server's that speak of types. */
const SPEAKING = new Set([ROW, PARAMETERS, COPY_IN, COPY_OUT]);

/** Longest message that is looked at. */
const CAPTURE_LIMIT = 64 * 1024;

/**
 * What is known of one session from the messages that passed: whether the server has anything to do, how the two sides
 * said good-bye, and what must be made again if the session is moved to another server.
 */
export class Conversation {
  /** Follows what the client says, before it is forwarded. */
  readonly fromClient = new MessageScanner({
    header: (type, bytes) => this.#clientHeader(type, bytes),
    body: (chunk, start, end) => this.#clientBody(chunk, start, end),
  });
  /** Follows what the server says. */
  readonly fromServer = new MessageScanner({
    header: (type, bytes) => this.#serverHeader(type, bytes),
    body: (chunk, start, end) => this.#serverBody(chunk, start, end),
  });
  readonly settings = new CustomSettings();
  readonly identifiers = new Identifiers();
  /** What the server has told the client of its parameters (ParameterStatus), as bytes in Latin-1. */
  readonly parameters = new Map<string, string>();
  readonly #tracker = new IdleTracker();
  readonly #unnamed = new UnnamedStatement();
  readonly #clientCapture = new BodyCapture(CAPTURE_LIMIT);
  readonly #serverCapture = new BodyCapture(CAPTURE_LIMIT);
  #clientType = 0;
  #serverType = 0;
  #terminated = false;
  #fatal = false;

  /** The server has nothing to do and no message is half forwarded either way. */
  get quiet(): boolean {
    return this.#tracker.quiet && this.fromClient.atBoundary && this.fromServer.atBoundary;
  }

  /** Quiet, outside a transaction: the session could be moved as far as the protocol goes. */
  get idle(): boolean {
    return this.quiet && this.#tracker.idle;
  }

  /** In a transaction, as far as the server has said. */
  get inTransaction(): boolean {
    return this.#tracker.status !== 'I';
  }

  /** Between two messages of the client's, and what was forwarded asks for an answer before more is: here a hold may stop it. */
  get mayPause(): boolean {
    return this.fromClient.atBoundary && this.#tracker.complete;
  }

  /** The client has said Terminate. */
  get terminated(): boolean {
    return this.#terminated;
  }

  /** The server has said FATAL or PANIC; it will close. */
  get fatal(): boolean {
    return this.#fatal;
  }

  get unnamedParse(): UnnamedParse {
    return this.#unnamed.parse;
  }

  #clientHeader(type: number, bytes: number): boolean {
    const segment = this.#tracker.segment;
    this.#tracker.client(type);
    if (type === TERMINATE) this.#terminated = true;
    if (type !== QUERY && type !== PARSE && type !== CALL) return false;
    this.#clientType = type;
    const wanted = this.#clientCapture.begin(bytes);
    if (!wanted) this.#missed(type, segment);
    return wanted;
  }

  #missed(type: number, segment: number): void {
    if (type !== CALL) this.settings.missed();
    if (type !== QUERY) this.identifiers.missed();
    if (type === PARSE) this.#unnamed.parsed(segment, null);
  }

  #clientBody(chunk: Buffer, start: number, end: number): void {
    const body = this.#clientCapture.take(chunk, start, end);
    if (!body) return;
    if (this.#clientType === CALL) this.identifiers.call(body);
    else this.settings.see(body);
    if (this.#clientType !== PARSE) return;
    this.identifiers.parse(body);
    this.#unnamed.parsed(this.#tracker.segment, body);
  }

  #serverHeader(type: number, bytes: number): boolean {
    this.#serverType = type;
    this.#tracker.server(type);
    if (type === PARSE_COMPLETE) this.#unnamed.complete();
    if (SPEAKING.has(type)) return this.#wantsTypes(bytes);
    return (type === READY || type === ERROR || type === PARAMETER) && this.#serverCapture.begin(bytes);
  }

  #wantsTypes(bytes: number): boolean {
    if (this.identifiers.known) return false;
    const wanted = this.#serverCapture.begin(bytes);
    if (!wanted) this.identifiers.missed();
    return wanted;
  }

  #serverBody(chunk: Buffer, start: number, end: number): void {
    const body = this.#serverCapture.take(chunk, start, end);
    if (!body) return;
    if (SPEAKING.has(this.#serverType)) this.#types(body);
    else if (this.#serverType === PARAMETER) this.parameters.set(...parameterOf(body));
    else if (this.#serverType === ERROR) this.#fatal ||= /^(FATAL|PANIC)$/.test(errorFields(body).get('V') ?? '');
    else this.#ready(body[0]!);
  }

  #types(body: Buffer): void {
    if (this.#serverType === ROW) this.identifiers.row(body);
    else if (this.#serverType === PARAMETERS) this.identifiers.parameters(body);
    else this.identifiers.copy(body);
  }

  #ready(status: number): void {
    const ended = this.#tracker.ready(status);
    if (ended) this.#unnamed.ready(ended.segment, ended.query);
  }
}
