/** More distinct names than any application has; beyond, what is set counts as unknown. */
const MAX_NAMES = 500;

const WORD = String.raw`[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*`;
/** Bounded, so that text full of quotes costs no square of its length; PostgreSQL cuts identifiers at 63 bytes. */
const QUOTED = '"(?:[^"]|""){1,128}"';
const IDENTIFIER = `(?:${WORD}|${QUOTED})`;
const DOTTED = `${IDENTIFIER}(?:\\.${IDENTIFIER})+`;
/** Takes words without a dot, too, and so passes them in one step: trying anew at each of their letters costs seconds. */
const ANY_DOTTED = new RegExp(String.raw`${WORD}(?:\.${IDENTIFIER})*|${QUOTED}(?:\.${IDENTIFIER})+`, 'g');
const SET_DOTTED = new RegExp(String.raw`\bset\s+(?:session\s+|local\s+)?(${DOTTED})`, 'gi');
/** Where a name may stand elsewhere than right behind SET. */
const INDIRECT = /set_config|execute|\/\*|--/i;
/** set_config() whose first argument is not written out: a parameter, a column, an expression. */
const COMPUTED = /set_config\s*\(\s*(?!E?'[^']*'\s*,)/i;

/**
 * Collects the names of custom settings (`SET app.tenant_id`, `set_config('app.tenant_id', ...)`) from what a client
 * says: PostgreSQL lists them nowhere, and a session that lost one would read as the wrong tenant. Names that turn out to be
 * none (columns, tables) do no harm. What functions set inside the server is not seen here.
 */
export class CustomSettings {
  readonly names = new Set<string>();
  #uncertain = false;

  /** True when a setting may have been made under a name that is not in `names`. */
  get uncertain(): boolean {
    return this.#uncertain;
  }

  /** A text passed that was not looked at. */
  missed(): void {
    this.#uncertain = true;
  }

  /** Looks at the body of a Query or Parse message. */
  see(body: Buffer): void {
    const raw = body.toString('latin1');
    if (!/\bset/i.test(raw)) return;
    const text = body.toString('utf8');
    if (COMPUTED.test(text)) this.#uncertain = true;
    const found = INDIRECT.test(text) ? text.matchAll(ANY_DOTTED) : text.matchAll(SET_DOTTED);
    for (const match of found) {
      const name = match[1] ?? match[0];
      if (name.includes('.')) this.#add(name);
    }
  }

  #add(name: string): void {
    if (this.names.size < MAX_NAMES || this.names.has(name)) this.names.add(name);
    else this.#uncertain = true;
  }
}
