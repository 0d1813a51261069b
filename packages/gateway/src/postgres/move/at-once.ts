/** Sessions worked on at a time: it is mostly PostgreSQL's own work, on the machine's few cores. */
const AT_ONCE = 8;

/** Does `work` to each item, a few at a time, those that are `urgent` by then first. `work` must not reject. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  urgent: (item: T) => boolean = () => false,
): Promise<void> {
  const waiting = [...items];
  const next = (): T[] => waiting.splice(Math.max(0, waiting.findIndex(urgent)), 1);
  const lane = async () => {
    for (let [item] = next(); item !== undefined; [item] = next()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
