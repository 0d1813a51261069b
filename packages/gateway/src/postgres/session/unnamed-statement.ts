/** Which Parse made the session's unnamed statement, as bytes to be sent again; `unknown` when it was too long to be kept. */
export type UnnamedParse = Buffer | 'unknown' | null;

/**
 * Follows the unnamed prepared statement. PostgreSQL forgets it at every simple query, and a Parse counts only once it has
 * succeeded, so Parses wait here until ParseComplete, or until the ReadyForQuery of their segment says that none will come.
 * (A Close of the unnamed statement is not followed: making a statement again that nobody uses does no harm.)
 */
export class UnnamedStatement {
  #parse: UnnamedParse = null;
  readonly #pending: { segment: number; parse: UnnamedParse | 'named' }[] = [];

  get parse(): UnnamedParse {
    return this.#parse;
  }

  /** A Parse was forwarded; null: its body was not looked at. */
  parsed(segment: number, body: Buffer | null): void {
    if (body === null) this.#pending.push({ segment, parse: 'unknown' });
    else this.#pending.push({ segment, parse: body[0] === 0 ? Buffer.from(body) : 'named' });
  }

  /** ParseComplete came. */
  complete(): void {
    const parse = this.#pending.shift()?.parse ?? 'named';
    if (parse !== 'named') this.#parse = parse;
  }

  /** ReadyForQuery ended this segment; `query`: it was a simple query's. */
  ready(segment: number, query: boolean): void {
    while (this.#pending[0] && this.#pending[0].segment <= segment) this.#pending.shift();
    if (query) this.#parse = null;
  }
}
