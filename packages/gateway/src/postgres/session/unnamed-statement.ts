/** Which Parse made the session's unnamed statement, as bytes to be sent again; `unknown` when it was too long to be kept. */
export type UnnamedParse = Buffer | 'unknown' | null;

/** More Parses under way than any driver sends before it reads an answer … */
const MAX_PENDING = 4096;
/** … and bytes of unnamed ones; a server that skips to the next Sync answers none of them, however many come. */
const MAX_PENDING_BYTES = 256 * 1024;

/**
 * Follows the unnamed prepared statement. PostgreSQL forgets it at every simple query, and a Parse counts only once it has
 * succeeded, so Parses wait here until ParseComplete, or until the ReadyForQuery of their segment says that none will come.
 * (A Close of the unnamed statement is not followed: making a statement again that nobody uses does no harm.)
 */
export class UnnamedStatement {
  #parse: UnnamedParse = null;
  readonly #pending: { segment: number; parse: UnnamedParse | 'named' }[] = [];
  #pendingBytes = 0;
  #overflown = false;

  get parse(): UnnamedParse {
    return this.#overflown ? 'unknown' : this.#parse;
  }

  /** Bytes held for Parses that the server has not answered. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** A Parse was forwarded; null: its body was not looked at. */
  parsed(segment: number, body: Buffer | null): void {
    if (this.#pending.length >= MAX_PENDING) this.#overflown = true;
    else this.#pending.push({ segment, parse: body === null ? 'unknown' : this.#kept(body) });
  }

  /** ParseComplete came. */
  complete(): void {
    const parse = this.#next() ?? 'named';
    if (parse !== 'named') this.#parse = parse;
  }

  /** ReadyForQuery ended this segment; `query`: it was a simple query's. */
  ready(segment: number, query: boolean): void {
    while (this.#pending[0] && this.#pending[0].segment <= segment) this.#next();
    if (query) this.#parse = null;
  }

  #kept(body: Buffer): UnnamedParse | 'named' {
    if (body[0] !== 0) return 'named';
    if (this.#pendingBytes + body.length > MAX_PENDING_BYTES) return 'unknown';
    this.#pendingBytes += body.length;
    return Buffer.from(body);
  }

  #next(): UnnamedParse | 'named' | undefined {
    const parse = this.#pending.shift()?.parse;
    if (Buffer.isBuffer(parse)) this.#pendingBytes -= parse.length;
    return parse;
  }
}
