/** Sessions worked on at a time while somebody waits for them: it is mostly PostgreSQL's own work, on the machine's few cores. */
const AT_ONCE = 8;
/** Of those, the ones that nobody waits for: the rest is for those who want to work. */
const PATIENT = 3;
/** What takes longer waits for something else than a processor: a lock, room, a server that is not there. Others do not wait for that. */
const LONGEST_MS = 250;

interface Waiting {
  begin: (urgent: boolean) => void;
  urgent: () => boolean;
}

/** Lets a few be at work at a time, fewer of those that are not `urgent` as they begin. Who is urgent comes first. Long work does not count. */
export class Lanes {
  #urgent = 0;
  #patient = 0;
  readonly #waiting: Waiting[] = [];

  async run<T>(work: () => Promise<T>, urgent: () => boolean = () => false): Promise<T> {
    const isUrgent = await new Promise<boolean>((begin) => {
      this.#waiting.push({ begin, urgent });
      this.#next();
    });
    let isCounted = true;
    const leave = () => {
      if (!isCounted) return;
      isCounted = false;
      if (isUrgent) this.#urgent--;
      else this.#patient--;
      this.#next();
    };
    const timer = setTimeout(leave, LONGEST_MS);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      leave();
    }
  }

  #next(): void {
    if (this.#urgent + this.#patient >= AT_ONCE) return;
    const at = this.#waiting.findIndex(({ urgent }) => urgent());
    if (at < 0 && this.#patient >= PATIENT) return;
    const [next] = this.#waiting.splice(Math.max(0, at), 1);
    if (!next) return;
    if (at < 0) this.#patient++;
    else this.#urgent++;
    next.begin(at >= 0);
  }
}

/** Does `work` to each item, a few at a time, those that are `urgent` by then first. `work` must not reject. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  urgent: (item: T) => boolean = () => true,
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
