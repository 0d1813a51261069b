/** Sessions worked on at a time: it is mostly PostgreSQL's own work, on the machine's few cores. */
const AT_ONCE = 8;

/** Does `work` to each item, a few at a time. `work` must not reject. */
export async function forEachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
