/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * How many times faster than the peer: the median over rounds of the ratios within each round, so that a load which comes
 * and goes weighs on both sides alike. `time` says that the values are times, where less is better.
 */
export function speedRatio(ours, peer, { time = false } = {}) {
  const ratios = ours.map((value, round) => (time ? peer[round] / value : value / peer[round]));
  return { ratio: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

/** Measures every variant once a round, in turns; the order is reversed in every other round. Values by variant's name. */
export async function interleave(rounds, variants, measure) {
  const values = Object.fromEntries(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 1 ? [...variants].reverse() : variants;
    for (const variant of order) values[variant.name].push(await measure(variant, round));
  }
  return values;
}

/** What each value is of the other side's in the same round. */
export function ratiosOf(values, others) {
  return values.map((value, round) => value / others[round]);
}

/** How many values there are, the smallest and the largest. */
export function describeRange(values, digits = 2) {
  return `n=${values.length}, ${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`;
}

/** Rates by the name of their side, in a line of progress. */
export function describeRates(rates) {
  return Object.entries(rates)
    .map(([name, values]) => `${name} ${values.map(Math.round).join(' ')}`)
    .join(', ');
}
