/** What came of a run, with its figures. */
export function reportOf(
  { seed, failovers, upgrades, planChanges, majorUpgrades },
  { cluster, ledger, idle, watch, notifier },
  rounds,
) {
  const names = [...new Set(rounds.map(({ name }) => name))];
  return {
    seed,
    wanted: { failovers, upgrades, planChanges, majorUpgrades },
    rounds: rounds.length,
    restores: rounds.reduce((sum, round) => sum + (round.restores ?? 0), 0),
    acknowledgedRows: ledger.acknowledged,
    notifications: notifier.acknowledged.length,
    idleSessions: { kept: idle.kept, ended: idle.ended },
    looksForTwoPrimaries: watch.looks,
    kinds: names.map((name) =>
      kindOf(
        name,
        rounds.filter((round) => round.name === name),
      ),
    ),
    failoverMilliseconds: spread(
      cluster.events.filter(({ type }) => type === 'failover-completed').map(({ outcome }) => outcome.milliseconds),
    ),
    violations: rounds.flatMap(({ number, name, violations }) =>
      violations.map((violation) => `round ${number}, ${name}: ${violation}`),
    ),
  };
}

function kindOf(name, rounds) {
  return { name, rounds: rounds.length, waitMilliseconds: spread(rounds.flatMap(({ waits }) => waits)) };
}

/** The middle, all but the largest hundredth, and the largest; null of nothing. */
export function spread(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const of = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { n: sorted.length, p50: of(0.5), p99: of(0.99), max: of(1) };
}

/** For people. */
export function describeReport(report) {
  const text = (values) => (values ? `p50 ${values.p50} ms, p99 ${values.p99} ms, max ${values.max} ms` : 'none');
  const { kept, ended } = report.idleSessions;
  return [
    '',
    ...report.kinds.map(
      ({ name, rounds, waitMilliseconds }) =>
        `${name}: ${rounds} rounds; longest wait of each writer: ${text(waitMilliseconds)}`,
    ),
    `From the loss of a primary to the next one that takes writes: ${text(report.failoverMilliseconds)}`,
    `${report.acknowledgedRows} acknowledged rows, ${report.notifications} notifications, ${report.restores} restores, ${report.looksForTwoPrimaries} looks for a second primary; idle sessions asked: ${kept} kept, ${ended} ended with the server as they must`,
    report.violations.length === 0
      ? `Everything held in ${report.rounds} rounds (seed ${report.seed}).`
      : `${report.violations.length} things did not hold in ${report.rounds} rounds (seed ${report.seed}).`,
  ];
}
