/** Counts things by metric label. Labels come from code, never from a client, so there are few. */
export class Counters {
  readonly values: Record<string, number> = {};

  add(label: string, amount = 1): void {
    this.values[label] = (this.values[label] ?? 0) + amount;
  }
}
