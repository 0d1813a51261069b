/** Sessions worked on at a time: it is mostly PostgreSQL's own work, on the machine's few cores. */
const AT_ONCE = 8;

interface Waiting {
  begin: () => void;
  urgent: () => boolean;
}

/** Lets a few be at work at a time. Of those that wait the first one that is urgent by then comes next, else the first. */
export class Lanes {
  #free = AT_ONCE;
  readonly #waiting: Waiting[] = [];

  async run<T>(work: () => Promise<T>, urgent: () => boolean = () => false): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((begin) => this.#waiting.push({ begin, urgent }));
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  #next(): void {
    const at = this.#waiting.findIndex(({ urgent }) => urgent());
    const [next] = this.#waiting.splice(Math.max(0, at), 1);
    if (next) next.begin();
    else this.#free++;
  }
}

/** Does `work` to each item, a few at a time, those that are `urgent` by then first. `work` must not reject. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  urgent: (item: T) => boolean = () => false,
): Promise<void> {
  const lanes = new Lanes();
  // Of those that can begin at once, too, the urgent ones come first.
  const ordered = [...items.filter(urgent), ...items.filter((item) => !urgent(item))];
  await Promise.all(
    ordered.map((item) =>
      lanes.run(
        () => work(item),
        () => urgent(item),
      ),
    ),
  );
}
