/**
 * What the writers know of their rows: of each when it was begun, and when it was acknowledged, if it was. Times are those of this machine in
 * milliseconds, rounded down, and so is the server's: it runs on the same one. `now` tells them.
 */
export class Ledger {
  /** By the writer: each row's times at its number. */
  #begun = [];
  #acknowledged = [];

  constructor(now = Date.now) {
    this.now = now;
  }

  /** Notes that the writer's next row is about to be sent, and gives its number. No number is used twice. */
  begin(writer) {
    this.#begun[writer] ??= [];
    this.#acknowledged[writer] ??= [];
    return this.#begun[writer].push(this.now()) - 1;
  }

  acknowledge(writer, row) {
    this.#acknowledged[writer][row] = this.now();
  }

  get acknowledged() {
    return this.#acknowledged.reduce((sum, rows) => sum + rows.reduce((count) => count + 1, 0), 0);
  }

  /**
   * Compares the rows that a database has (numbers by writer) with what it must have at a moment: `lost` are those that are not there and were
   * acknowledged before it; `twice` those that are there more than once; `alien` those that nobody sent, or that were begun after
   * `latest` (the moment, unless told). Rows between the two may be there or not: they were on their way, or nobody has heard of their end.
   */
  compare(found, moment, latest = moment) {
    const result = { lost: [], twice: [], alien: [] };
    for (const [writer, begun] of this.#begun.entries()) {
      const there = new Set();
      for (const row of found.get(writer) ?? []) {
        if (there.has(row)) result.twice.push(`${writer}/${row}`);
        there.add(row);
        if (!(begun[row] <= latest)) result.alien.push(`${writer}/${row}`);
      }
      this.#acknowledged[writer].forEach((at, row) => {
        if (at < moment && !there.has(row)) result.lost.push(`${writer}/${row}`);
      });
    }
    for (const writer of found.keys()) if (!this.#begun[writer]) result.alien.push(`${writer}/…`);
    return result;
  }
}

/** One sentence for each kind of difference; none when there is none. */
export function describeDifferences({ lost, twice, alien }, where) {
  const some = (rows) => `${rows.slice(0, 5).join(', ')}${rows.length > 5 ? ', …' : ''}`;
  return [
    [lost, 'acknowledged rows are missing'],
    [twice, 'rows are there twice'],
    [alien, 'rows are there that should not be'],
  ]
    .filter(([rows]) => rows.length > 0)
    .map(([rows, what]) => `${where}: ${rows.length} ${what} (${some(rows)})`);
}
