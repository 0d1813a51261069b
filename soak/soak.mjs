import { setTimeout as sleep } from 'node:timers/promises';
import { POSTGRES_MAJORS } from '@borealis/contract';
import { Cleanup } from '../bench/cleanup.mjs';
import { Cluster, SPEC } from './cluster.mjs';
import { IdleSessions } from './idle-sessions.mjs';
import { describeDifferences, Ledger } from './ledger.mjs';
import { Notifier } from './notifier.mjs';
import { HELP, readOptions } from './options.mjs';
import { PrimaryWatch } from './primaries.mjs';
import { randomOf, share, shuffled } from './random.mjs';
import { describeReport, reportOf } from './report.mjs';
import { checkRestores } from './restores.mjs';
import { FAILOVERS, MAJOR_UPGRADES, PLAN_CHANGES, UPGRADES } from './rounds.mjs';
import { readRows, Writers } from './writers.mjs';

/** What a client may be told when its server dies; null stands for a connection that just ends. */
const OF_A_CRASH = ['57P01', '57P02', '57P03', '08006', 'ECONNRESET', null];

/** Sessions wait 15 seconds for another server; the failover begins a moment before or after. */
const GATEWAY_WAITS_MS = 13_000;

/** More than the second before a round to which it is restored. */
const HISTORY_MS = 3000;

/** Runs the soak; returns the exit status. */
export async function soak(args) {
  const options = readOptions(args);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const say = options.json ? (line) => console.error(line) : (line) => console.log(line);
  const cleanup = new Cleanup();
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => void cleanup.run().finally(() => process.exit(130)));
  try {
    const report = await run(options, cleanup, say);
    if (options.json) console.log(JSON.stringify(report));
    for (const line of describeReport(report)) say(line);
    return report.violations.length === 0 ? 0 : 1;
  } finally {
    await cleanup.run();
  }
}

async function run(options, cleanup, say) {
  const random = randomOf(options.seed);
  const plan = shuffled(
    [
      ...share(options.failovers, shuffled(FAILOVERS, random)),
      ...share(options.upgrades, UPGRADES),
      ...share(options.planChanges, shuffled(PLAN_CHANGES, random)),
      ...share(options.majorUpgrades, MAJOR_UPGRADES),
    ],
    random,
  );
  say(`Seed ${options.seed}: ${plan.length} rounds. Making a cluster of two nodes`);
  const scene = await setScene(options, cleanup);
  const rounds = [];
  for (const [at, kind] of plan.entries()) {
    const round = await playRound(scene, { number: at + 1, kind, restoreEvery: options.restoreEvery });
    rounds.push(round);
    say(`${at + 1} of ${plan.length}: ${round.sentence}`);
    for (const violation of round.violations) say(`  DOES NOT HOLD: ${violation}`);
    if (round.isStuck) break;
  }
  return reportOf(options, scene, rounds);
}

/** The newest is reached with the last upgrade. */
function firstMajor({ majorUpgrades }) {
  return majorUpgrades === 0 ? SPEC.major : POSTGRES_MAJORS.at(-1 - majorUpgrades);
}

async function setScene(options, cleanup) {
  const cluster = await Cluster.start(cleanup, firstMajor(options));
  const ledger = new Ledger();
  const writers = await Writers.start(cluster, ledger, options.writers);
  cleanup.add('The writers', () => writers.stop());
  // The first round is restored to a moment before it.
  await sleep(HISTORY_MS);
  const notifier = new Notifier(cluster);
  cleanup.add('The notifier', () => notifier.stop());
  const idle = new IdleSessions(cluster, options.idle);
  cleanup.add('The idle sessions', () => idle.close());
  const watch = new PrimaryWatch(cluster);
  cleanup.add('The watch', () => watch.stop());
  return { cluster, ledger, writers, notifier, idle, watch };
}

/** Strikes once, and checks everything. A round that does not come to its end is the last one. */
async function playRound(scene, { number, kind, restoreEvery }) {
  const { name, how } = kind;
  const round = { number, name, how, begunAt: 0, endedAt: 0, violations: [], waits: [], sentence: name };
  try {
    await strike(scene, kind, round);
    await check(scene, kind, round);
    if (restoreEvery > 0 && number % restoreEvery === 0) {
      round.violations.push(...(await checkRestores(scene.cluster, scene.ledger, round)));
      round.restores = 2;
    }
  } catch (error) {
    round.violations.push(error.message);
    round.isStuck = true;
  }
  return round;
}

async function strike({ cluster, ledger, writers, notifier, idle, watch }, kind, round) {
  await idle.complete();
  if (kind.how === 'crash') await idle.untilKnown();
  await writers.untilWriting();
  await cluster.untilProtected();
  for (const list of [notifier.failures, watch.found]) list.length = 0;
  writers.mark();
  round.begunAt = ledger.now();
  const what = await kind.run(cluster);
  await writers.untilWriting();
  round.endedAt = ledger.now();
  round.waits = [...writers.waits];
  const seconds = ((round.endedAt - round.begunAt) / 1000).toFixed(1);
  round.sentence = [`${kind.name}: ${seconds} s`, what, `longest wait ${Math.max(...round.waits)} ms`]
    .filter(Boolean)
    .join(', ');
  await cluster.untilProtected();
}

async function check({ cluster, ledger, writers, notifier, idle, watch }, { how }, round) {
  const { violations } = round;
  const notified = [...notifier.acknowledged];
  const failures = [...writers.failures, ...notifier.failures];
  const unexpected = failures.filter(({ code }) => how === 'planned' || !OF_A_CRASH.includes(code));
  violations.push(...unexpected.map(({ code, message }) => `a client was told ${code}: ${message}`));
  const failover = cluster.events.findLast(({ type }) => type === 'failover-completed');
  const gaveUp = how === 'crash' && failover?.outcome.milliseconds > GATEWAY_WAITS_MS;
  violations.push(...(await idle.check(how, notified, gaveUp)), ...watch.found);
  const now = ledger.now();
  const { rows, wrong } = await readRows(cluster);
  violations.push(...describeDifferences(ledger.compare(rows, now, Number.POSITIVE_INFINITY), 'the primary'), ...wrong);
}
