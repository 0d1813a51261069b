import { OpenTransaction } from './open-transaction.js';
import { precedes } from './transaction-records.js';
import { WalError } from './wal-error.js';

/** Some hundreds of megabytes. */
const MOST = 2_000_000;

/** All transactions that are under way where the log is being read. */
export class OpenTransactions {
  readonly #open = new Map<number, OpenTransaction>();
  #size = 0;

  /** Does `work` with what is known of one. */
  with(transaction: number, work: (open: OpenTransaction) => void): void {
    const open = this.#open.get(transaction) ?? new OpenTransaction();
    const before = this.#open.has(transaction) ? open.size : 0;
    this.#open.set(transaction, open);
    work(open);
    this.#size += open.size - before;
    if (this.#size > MOST)
      throw new WalError('Too many tables and subtransactions are changed at the same time for the log to be read.');
  }

  find(transaction: number): OpenTransaction | undefined {
    return this.#open.get(transaction);
  }

  /** Those of the given ones that did something, which are forgotten by this. */
  take(transactions: readonly number[]): OpenTransaction[] {
    return transactions.flatMap((transaction) => {
      const open = this.#open.get(transaction);
      if (!open) return [];
      this.#open.delete(transaction);
      this.#size -= open.size;
      return [open];
    });
  }

  /** Forgets those that ended in a crash. */
  forgetBefore(oldest: number): void {
    this.take([...this.#open.keys()].filter((transaction) => precedes(transaction, oldest)));
  }
}
