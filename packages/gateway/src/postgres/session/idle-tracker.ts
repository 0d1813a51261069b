/** Kinds of token: a run of extended-protocol messages, and the messages that PostgreSQL answers with ReadyForQuery. */
const RUN = 0;
const SYNC = 1;
const QUERY = 2;
const COPY_END = 3;

/** More unanswered messages than any driver keeps; beyond, the session counts as never idle rather than cost memory. */
const MAX_TOKENS = 65_536;

/** Token of each client message type; types that are not here say nothing about idleness. */
const TOKENS = new Map<number, number>(
  Object.entries({
    P: RUN,
    B: RUN,
    D: RUN,
    E: RUN,
    C: RUN,
    H: RUN,
    S: SYNC,
    Q: QUERY,
    F: QUERY,
    c: COPY_END,
    f: COPY_END,
  }).map(([letter, token]) => [letter.charCodeAt(0), token]),
);
const COPY_IN_RESPONSE = 'G'.charCodeAt(0);
const ERROR_RESPONSE = 'E'.charCodeAt(0);
/** What the server says for another reason than a client message, and ReadyForQuery. */
const NO_ANSWERS = new Set([...'ZNSAKRv'].map((letter) => letter.charCodeAt(0)));

export type TransactionStatus = 'I' | 'T' | 'E';

/**
 * Knows whether a server process has answered all that was forwarded to it: a queue of tokens, since counting Sync against
 * ReadyForQuery is wrong for COPY in the extended protocol and for what an error makes the server skip. Starts idle, after login.
 * Never says "idle" wrongly. Where a client breaks the protocol it may say "busy" for ever, and after a copy that failed until the next
 * statement is answered.
 */
export class IdleTracker {
  /** What may come to be dropped together stands in order; kind and segment of each are in one number. */
  readonly #tokens: number[] = [];
  #segment = 0;
  #unsynced = 0;
  #copyIn = false;
  #copyExtended = false;
  #skipping = false;
  #overflown = false;
  /** Of the Syncs that came before CopyInResponse. The copy throws them away when it reads; one that fails before does not. */
  #swallowed = 0;
  /** How many ReadyForQuery more than there are tokens may come, after a copy that failed. */
  #surplus = 0;
  /** Whether the server has answered anything since the last ReadyForQuery: only a Sync by itself gets none but that. */
  #answered = false;
  #status: TransactionStatus = 'I';

  /** Status of the last ReadyForQuery. */
  get status(): TransactionStatus {
    return this.#status;
  }

  /** Nothing is running or waiting to run. Half-forwarded messages are the caller's to see. */
  get quiet(): boolean {
    const unanswered = this.#tokens.some((token) => kind(token) !== COPY_END);
    const doubtful = this.#skipping || this.#surplus > 0 || this.#overflown;
    return !unanswered && this.#unsynced === 0 && !this.#copyIn && !doubtful;
  }

  /** Quiet, and in no transaction: nothing of the session is under way in the server. */
  get idle(): boolean {
    return this.quiet && this.#status === 'I';
  }

  /** The server owes a ReadyForQuery for what it has got and needs no more for it, or nothing is under way. */
  get complete(): boolean {
    return this.idle || (!this.#copyIn && this.#tokens.some((token) => kind(token) === SYNC || kind(token) === QUERY));
  }

  /** Number of the piece of conversation that the next client message belongs to; see `ready`. */
  get segment(): number {
    return this.#segment;
  }

  /** A client message of this type was forwarded, or is being. */
  client(type: number): void {
    const token = TOKENS.get(type);
    if (token === RUN) this.#run();
    else if (token === SYNC) this.#sync();
    else if (token === QUERY) this.#query();
    else if (token === COPY_END) this.#copyEnd();
  }

  /** A server message came; for ReadyForQuery, `ready` is to be called too. */
  server(type: number): void {
    if (NO_ANSWERS.has(type)) return;
    this.#answered = true;
    if (this.#surplus > 0) this.#resolve();
    if (type !== ERROR_RESPONSE) this.#swallowed = 0;
    if (type === COPY_IN_RESPONSE) this.#copyInResponse();
    else if (type === ERROR_RESPONSE) this.#error();
  }

  /** ReadyForQuery came. Returns the segment it ends, and whether a simple query ended; null: it answers nothing known. */
  ready(status: number): { segment: number; query: boolean } | null {
    this.#status = String.fromCharCode(status) as TransactionStatus;
    this.#skipping = false;
    this.#copyIn = false;
    this.#swallowed = 0;
    if (this.#surplus > 0 && !this.#answered) return this.#doubt();
    this.#answered = false;
    while (this.#head === RUN || this.#head === COPY_END) this.#tokens.shift();
    const token = this.#tokens.shift();
    if (token === undefined && this.#surplus > 0) this.#surplus--;
    this.#forgetCopyEnds();
    return token === undefined ? null : { segment: segmentOf(token), query: kind(token) === QUERY };
  }

  /** A ReadyForQuery with no answer before it, where there may be more of them than tokens: of a Sync, and nobody can tell which. */
  #doubt(): null {
    this.#forgetCopyEnds();
    if (this.#head !== SYNC) this.#surplus--;
    return null;
  }

  /** The server has answered something, so that it has done with all Syncs before that. */
  #resolve(): void {
    this.#surplus = 0;
    while (this.#head === SYNC || this.#head === COPY_END) this.#tokens.shift();
  }

  /** Those with nothing before them belong to a copy that is over. */
  #forgetCopyEnds(): void {
    while (this.#head === COPY_END) this.#tokens.shift();
  }

  get #head(): number | undefined {
    return this.#tokens.length === 0 ? undefined : kind(this.#tokens[0]!);
  }

  #push(what: number): void {
    if (this.#tokens.length >= MAX_TOKENS) this.#overflown = true;
    else this.#tokens.push(this.#segment * 4 + what);
    if (what === SYNC || what === QUERY) this.#segment++;
  }

  #run(): void {
    const last = this.#tokens.at(-1);
    if (last === undefined || kind(last) !== RUN) this.#push(RUN);
    this.#unsynced++;
  }

  #sync(): void {
    if (this.#copyIn) {
      this.#swallowed++; // The server ignores it there.
      return;
    }
    this.#push(SYNC);
    this.#unsynced = 0;
    this.#skipping = false;
  }

  #query(): void {
    if (this.#skipping) return; // The server throws it away, up to the next Sync.
    this.#push(QUERY);
    this.#unsynced = 0;
  }

  #copyEnd(): void {
    // Not in a copy: it was sent before CopyInResponse was seen, or after the copy failed.
    if (!this.#copyIn) this.#push(COPY_END);
    else if (this.#copyExtended) this.#drop((token) => kind(token) !== SYNC);
    this.#copyIn = false;
  }

  #copyInResponse(): void {
    this.#copyExtended = this.#head !== QUERY;
    const end = this.#tokens.findIndex((token) => kind(token) === COPY_END);
    const before = this.#tokens.length;
    this.#drop((token, i) => kind(token) !== SYNC || (end >= 0 && i > end));
    this.#swallowed = before - this.#tokens.length;
    const done = this.#tokens.findIndex((token) => kind(token) === COPY_END);
    if (done >= 0) this.#tokens.splice(done, 1);
    this.#copyIn = done < 0;
  }

  #error(): void {
    this.#copyIn = false;
    this.#surplus = this.#swallowed;
    this.#swallowed = 0;
    this.#forgetCopyEnds();
    if (this.#head !== RUN) return;
    const sync = this.#tokens.findIndex((token) => kind(token) === SYNC);
    if (sync < 0) this.#skipping = true;
    this.#tokens.splice(0, sync < 0 ? this.#tokens.length : sync);
  }

  #drop(keep: (token: number, index: number) => boolean): void {
    const kept = this.#tokens.filter(keep);
    this.#tokens.splice(0, this.#tokens.length, ...kept);
  }
}

const kind = (token: number): number => token % 4;
const segmentOf = (token: number): number => Math.floor(token / 4);
